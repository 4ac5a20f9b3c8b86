"""Whether a stage that names another names an earlier one, of the kind that leaves such a thing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from cohort.config.any_stage import AnyStage
from cohort.config.lookup import nearest
from cohort.config.preferences import RewardModel
from cohort.config.recipe import Recipe
from cohort.config.references import BASE, stage_of
from cohort.config.selection import Select
from cohort.config.stages import Evaluate, Mixture, Reinforce, Sampled, Stage, Trained
from cohort.errors import RecipeError, legible

_FOLDER = re.compile(r"\w[\w.-]{0,99}", re.ASCII)

LEAVES: Mapping[type[Stage], str] = {
    Select: "answers that it kept",
    RewardModel: "a reward model",
    Trained: "a policy",
}
"""What a stage leaves behind for later ones."""


def check_references(recipe: Recipe) -> None:
    """Raise RecipeError for the first stage that names none, or one that leaves nothing of the kind."""
    before: dict[str, AnyStage] = {}
    for number, (name, stage) in enumerate(zip(recipe.stage_names(), recipe.stage, strict=True)):
        for where, text, kind in _named(stage):
            if stage_of(text):
                _check(f"stage.{number}.{where}", stage_of(text), kind, before)
            elif where == "start" and text not in ("", BASE):
                raise RecipeError(
                    f"stage.{number}.start is {legible(repr(text))}",
                    'it is "base" or "stage:NAME"; leave it out to go on from the stage before',
                )
        _check_held_out(f"stage.{number}", stage)
        if isinstance(stage, Select | RewardModel):
            _check_folder(f"stage.{number}.name", name)
        before[name] = stage


def _check_held_out(where: str, stage: AnyStage) -> None:
    """Nothing is held out of what a stage kept: its problems were there to be trained on."""
    default = Mixture()
    for problems in stage.problems.tables:
        if not stage_of(problems.source) or problems.held_out:
            continue
        if problems.held_out_problems != default.held_out_problems:
            raise RecipeError(
                f"{where}.problems.held_out_problems is {problems.held_out_problems}, and nothing is "
                f"held out of what the stage {legible(stage_of(problems.source))} kept",
                "leave it out; evaluate where that stage took its problems from",
            )
        if isinstance(stage, Evaluate):
            raise RecipeError(
                f"{where}.problems is what the stage {legible(stage_of(problems.source))} kept, and "
                "nothing of it is held out",
                "evaluate where that stage took its problems from, or give problems.held_out",
            )


def _named(stage: AnyStage) -> Iterator[tuple[str, str, type[Stage]]]:
    """What of a stage can name another: where it stands, the text, and the kind of stage it asks for."""
    for problems in stage.problems.tables:
        yield "problems.source", problems.source, Select
    if isinstance(stage, Sampled):
        for reward in stage.rewards:
            yield "rewards", reward, RewardModel
    if isinstance(stage, Trained):
        yield "start", stage.start, Trained
    if isinstance(stage, RewardModel):
        yield "start", stage.start, RewardModel
    if isinstance(stage, Reinforce) and stage.critic is not None:
        yield "critic.start", stage.critic.start, RewardModel


def _check(where: str, name: str, kind: type[Stage], before: Mapping[str, AnyStage]) -> None:
    own = [other for other, stage in before.items() if isinstance(stage, kind)]
    if name in own:
        return _check_folder(where, name)
    leaves = f"earlier stages that leave {LEAVES[kind]}: {', '.join(own) or 'none'}"
    if name in before:
        found = f"{where} names the stage {legible(name)}, a {before[name].kind} stage"
        raise RecipeError(found, leaves)
    near = nearest(name, own)
    raise RecipeError(
        f"{where} names the stage {legible(name)}, and no earlier stage is called so",
        f'did you mean "stage:{near}"?' if near else leaves,
    )


def _check_folder(where: str, name: str) -> None:
    if not _FOLDER.fullmatch(name):
        raise RecipeError(
            f"{where} is {legible(repr(name))}: a folder of the run is called so",
            "use letters, digits, and . _ - between them",
        )
