"""Whether the filters of a stage `select` can let anything through, and each of them can stop something."""

from __future__ import annotations

from cohort.config.lookup import nearest
from cohort.config.references import called
from cohort.config.selection import Select
from cohort.errors import RecipeError, legible, listed


def check_filters(stage: Select, where: str) -> None:
    """Raise RecipeError for the first filter that cannot be meant."""
    names = [called(reward) for reward in stage.rewards]
    for name in stage.keep:
        if called(name) not in names:
            near = nearest(called(name), names)
            raise RecipeError(
                f"{where}.keep names {legible(name)}; the stage's rewards are {listed(names)}",
                f'did you mean "{near}"?' if near else f"add it to {where}.rewards, with weight 0",
            )
    for what in ("tokens", "characters"):
        least, most = getattr(stage, f"least_{what}"), getattr(stage, f"most_{what}")
        if most and least > most:
            raise RecipeError(
                f"{where}.least_{what} is {least} and most_{what} is {most}: nothing would be kept",
                f"raise most_{what}",
            )
    if stage.least_tokens > stage.max_new_tokens:
        raise RecipeError(
            f"{where}.least_tokens is {stage.least_tokens} and max_new_tokens is "
            f"{stage.max_new_tokens}: nothing would be kept",
            "raise max_new_tokens",
        )
    if stage.best_of >= stage.rollouts_per_prompt:
        raise RecipeError(
            f"{where}.best_of is {stage.best_of} and a group has {stage.rollouts_per_prompt} answers: "
            "it would change nothing",
            "sample more answers, or leave best_of out",
        )
