"""Every algorithm by its name in a recipe. A name alone is the paper's: see `grpo` for what that means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cohort.errors import RecipeError, legible
from cohort.objective.algorithms import TABLES, Algorithm, nearest, no_such_choice
from cohort.objective.choices import PARAMETERS
from cohort.objective.grpo import GRPO
from cohort.objective.presets_of_credit import OF_CREDIT
from cohort.objective.presets_of_loss import OF_LOSS
from cohort.objective.presets_with_critic import WITH_CRITIC

ALGORITHMS: dict[str, Algorithm] = {
    algorithm.name: algorithm for algorithm in (GRPO, *OF_LOSS, *OF_CREDIT, *WITH_CRITIC)
}
"""Every algorithm by its name in a recipe."""


def choose(name: str, changes: Mapping[str, Any]) -> Algorithm:
    """The algorithm of that name with a recipe's changes.

    Raises RecipeError for an unknown name, for a choice or a number that it does not read, and for
    a value that cannot be.
    """
    if name not in ALGORITHMS:
        raise RecipeError(
            f"there is no algorithm {legible(name)!r}",
            f"{nearest(name, ALGORITHMS)}`cohort algorithms` lists all of them",
        )
    for key in changes:
        if key not in TABLES and key not in PARAMETERS:
            raise no_such_choice(name, key, ALGORITHMS[name].values)
    return ALGORITHMS[name].but(**dict(changes)) if changes else ALGORITHMS[name]
