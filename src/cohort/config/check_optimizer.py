"""Options of an optimizer that would be ignored, or stand still for ever."""

from __future__ import annotations

from cohort.config.any_stage import AnyStage
from cohort.config.optimizer import Optimizer
from cohort.errors import RecipeError

UNREAD = {"adafactor": ("beta1", "beta2")}
"""Options that an optimizer does not read."""


def check_optimizer(optimizer: Optimizer, where: str) -> None:
    """Raise RecipeError for the first option that this optimizer cannot have."""
    for name, decay in (("beta1", optimizer.beta1), ("beta2", optimizer.beta2)):
        if decay == 1.0:
            raise RecipeError(
                f"{where}.optimizer.{name} is 1: its average would never move",
                "use less than 1, for example 0.99",
            )
    if optimizer.schedule == "constant" and optimizer.final_share != 0.0:
        raise RecipeError(
            f"{where}.optimizer.final_share is {optimizer.final_share}, and a constant schedule "
            "does not read it",
            'remove it, or use schedule = "cosine" or "linear"',
        )
    for name in UNREAD.get(optimizer.name, ()):
        if getattr(optimizer, name) != Optimizer.model_fields[name].default:
            raise RecipeError(
                f"{where}.optimizer.{name} is {getattr(optimizer, name):g}, and {optimizer.name} does not "
                "read it",
                'remove it, or use optimizer.name = "adamw"',
            )


def check_rounding(stage: AnyStage, dtype: str, where: str) -> None:
    """Raise RecipeError where weights that nobody rounds are to be rounded in some way."""
    critic = getattr(stage, "critic", None)
    asked = {
        f"{where}.optimizer": (getattr(stage, "optimizer", None), dtype),
        f"{where}.critic.optimizer": (
            getattr(critic, "optimizer", None),
            "float32" if getattr(critic, "kind", "") == "head" else dtype,
        ),
    }
    for place, (optimizer, precision) in asked.items():
        if optimizer is not None and optimizer.rounding != "masters" and precision == "float32":
            raise RecipeError(
                f'{place}.rounding is "{optimizer.rounding}", and the weights are float32: '
                "nothing is rounded",
                'remove it, or use model.dtype = "bfloat16"',
            )
