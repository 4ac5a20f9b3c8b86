"""What a stage without labels may not have, refused before anything is sampled.

The columns themselves are sealed while it trains (`data.sealed`); here is what would get around that:
a reward that asks for a label by name, one of the task's own, which knows the answers, prompts that
hold them, and a reward model of an earlier stage that learned from them. A reward in the user's own
file can still read what it likes from the disk.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cohort.config.any_stage import AnyStage
from cohort.config.preferences import RewardModel
from cohort.config.references import stage_of
from cohort.config.stages import Reinforce, Taught
from cohort.config.teacher import Teacher
from cohort.data.records import PART, Problem
from cohort.errors import LabelError, legible
from cohort.rewards.functions import RewardFunction
from cohort.rewards.stage_model import StageModel
from cohort.rewards.teacher.reference import COLUMN
from cohort.tasks.problems import ProblemSource
from cohort.train.check_answers import ANSWER_COLUMNS

LEAKED_SHARE = 0.9
"""The share of prompts that hold their own answer from which on it is no accident."""

NOT_FREE = "a stage with a teacher is free of labels"


class Known(NamedTuple):
    """What is known of a stage before it runs."""

    options: AnyStage
    rewards: Sequence[RewardFunction]
    source: ProblemSource


def check_free_of_labels(
    teacher: Teacher, rewards: Sequence[RewardFunction], source: ProblemSource
) -> None:
    """Raise LabelError for the first way in which a label would be read."""
    known = source.known()
    labels = _labels(teacher, source)
    for reward in rewards:
        if _is_own(reward, source):
            raise LabelError(
                f'reward "{reward.name}" is the task\'s own and knows its answers; {NOT_FREE}',
                "reward by agrees or rubric; measure with it in a stage evaluate",
            )
        asked = _asked(reward, labels, teacher)
        if asked:
            raise LabelError(
                f'reward "{reward.name}" reads the column "{legible(asked[0])}"; {NOT_FREE}',
                "leave the reward to a stage evaluate, or name the column in teacher.columns",
            )
    for name in sorted(labels & {*ANSWER_COLUMNS}):  # others are what a template asks about
        _check_prompts(name, [problem for problem in known if name in problem.columns])


def check_models_free_of_labels(stage: Known, before: Mapping[str, Known]) -> None:
    """Raise LabelError where a stage with a teacher asks a model of an earlier stage that learned from
    labels: as a reward, or as the beginning of its critic."""
    options = stage.options
    if not isinstance(options, Taught) or options.teacher is None:
        return
    asked = _models(stage.rewards)
    if isinstance(options, Reinforce) and options.critic is not None:
        asked += [stage_of(options.critic.start)]
    for name in filter(None, asked):
        why = _learned_from(name, before, options.teacher)
        if why:
            raise LabelError(
                f"the model of the stage {legible(name)} learned from {why}; {NOT_FREE}",
                "leave it out, or train it with rewards that read no label",
            )


def _learned_from(name: str, stages: Mapping[str, Known], teacher: Teacher) -> str:
    """From which labels the reward model of a stage learned, it or one that it has to do with; or ""."""
    options, rewards, source = stages[name]
    assert isinstance(options, RewardModel), options.kind
    if not rewards:
        return "rows that say which answers are good"
    labels = _labels(teacher, source)
    for reward in rewards:
        if _is_own(reward, source):
            return f'"{reward.name}", the task\'s own reward'
        if asked := _asked(reward, labels, teacher):
            return f'"{reward.name}", which reads the column "{legible(asked[0])}"'
    others = filter(None, [*_models(rewards), stage_of(options.start)])
    return next(filter(None, (_learned_from(one, stages, teacher) for one in others)), "")


def _models(rewards: Sequence[RewardFunction]) -> list[str]:
    """The stages whose models are among rewards."""
    functions = [reward.function for reward in rewards]
    return [function.stage for function in functions if isinstance(function, StageModel)]


def _labels(teacher: Teacher, source: ProblemSource) -> set[str]:
    """The columns that may not be read."""
    names = {name for problem in source.known() for name in problem.columns}
    return names - {*teacher.columns, COLUMN, PART}


def _is_own(reward: RewardFunction, source: ProblemSource) -> bool:
    return any(reward.function is own for own in source.rewards.values())


def _asked(reward: RewardFunction, labels: set[str], teacher: Teacher) -> list[str]:
    """Which of these a reward asks for by name, and what it needs and is not said to be no label."""
    asked = [name for name in reward.parameters if name in labels]
    return asked + [n for n in reward.requires if n not in (*teacher.columns, COLUMN, PART)]


def _check_prompts(name: str, problems: Sequence[Problem]) -> None:
    """Raise LabelError where nearly all prompts hold this column, and seldom that of another problem."""
    texts = [str(problem.columns[name]).strip() for problem in problems]
    if len(set(texts)) < 2:
        return
    prompts = [str(problem.prompt) for problem in problems]
    own = sum(map(_holds, prompts, texts))
    others = sum(map(_holds, prompts, [*texts[1:], *texts[:1]]))
    if own >= LEAKED_SHARE * len(prompts) and 2 * others <= own:
        raise LabelError(
            f'{own} of {len(prompts)} prompts hold their own column "{legible(name)}"; {NOT_FREE}',
            "where it is no label, name it in teacher.columns",
        )


def _holds(prompt: str, text: str) -> bool:
    return bool(text) and re.search(rf"(?<!\w){re.escape(text)}(?!\w)", prompt) is not None
