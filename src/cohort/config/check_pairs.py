"""Whether a stage `preference` reads every option that it is given: its pairs are rows, or sampled."""

from __future__ import annotations

from cohort.config.preferences import Preference
from cohort.config.stages import Sampled
from cohort.errors import RecipeError

OF_SAMPLING = (
    "sampled_from",
    "prompts_per_step",
    "rollouts_per_prompt",
    "pairs_per_prompt",
    "temperature",
    *(name for name in Sampled.model_fields if name not in ("name", "problems", "rewards")),
)
"""What is read where the stage samples its pairs."""

OF_ROWS = ("pairs_per_step", "evaluate_every")
"""What is read where its pairs are rows."""

SMOOTHED = ("sigmoid", "robust")


def check_pairs(stage: Preference, where: str) -> None:
    """Raise RecipeError for the first option that would change nothing."""
    sampled = bool(stage.rewards)
    for name in OF_ROWS if sampled else OF_SAMPLING:
        if getattr(stage, name) != Preference.model_fields[name].default:
            raise RecipeError(
                f"{where}.{name} is for pairs that are {'rows' if sampled else 'sampled'}, and the "
                f"stage has {'rewards to sample them' if sampled else 'no rewards to choose by'}",
                f"remove {name}, or {'the rewards' if sampled else 'name rewards'}",
            )
    if stage.label_smoothing and stage.loss not in SMOOTHED:
        raise RecipeError(
            f"{where}.label_smoothing is {stage.label_smoothing:g}, and the loss {stage.loss} does not "
            "read it",
            'remove it, or use loss = "sigmoid" or "robust"',
        )
    if sampled and stage.rollouts_per_prompt == 1:
        raise RecipeError(
            f"{where}.rollouts_per_prompt is 1: a pair has two answers", "use at least 2"
        )
    if sampled and all(reward.weight == 0.0 for reward in stage.rewards.values()):
        raise RecipeError(
            f"{where}.rewards all have weight 0: no answer is better than another",
            "give at least one reward another weight",
        )
