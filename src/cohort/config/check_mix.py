"""Whether a mix of sources is one: distinct names, nothing beside it, rewards for sources that are there."""

from __future__ import annotations

from cohort.config.lookup import nearest
from cohort.config.stages import Mixture, Sampled
from cohort.errors import RecipeError, legible, listed


def check_mix(problems: Mixture, where: str) -> None:
    """Raise RecipeError for options that a mix would ignore, and for two sources of one name."""
    if not problems.mix:
        return
    default = Mixture()
    for name in Mixture.model_fields:
        if name != "mix" and getattr(problems, name) != getattr(default, name):
            raise RecipeError(
                f"{where}.problems has a mix and {name}, which no source of the mix reads",
                f"give {name} to the sources that need it, inside of mix",
            )
    names = [part.name for part in problems.mix]
    if twice := [name for name in names if names.count(name) > 1]:
        raise RecipeError(
            f"{where}.problems.mix has two sources with the name {legible(twice[0])}",
            'give one of them another: { source = "...", name = "...", share = ... }',
        )


def check_parts(stage: Sampled, where: str) -> None:
    """Raise RecipeError for a reward of a source that the stage does not have."""
    names = [part.name for part in stage.problems.mix]
    for reward, options in stage.rewards.items():
        for name in options.only:
            if name in names:
                continue
            near = nearest(name, names)
            raise RecipeError(
                f'{where}.rewards."{legible(reward)}".only names {legible(name)}; the sources of '
                f"the mix are {listed(names) or 'none: problems is no mix'}",
                f'did you mean "{near}"?' if near else "leave it out, or name one of them",
            )
