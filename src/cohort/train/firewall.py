"""What a stage without labels may not have, refused before anything is sampled.

The columns themselves are sealed while it trains (`data.sealed`); here is what would get around that:
a reward that asks for a label by name, one of the task's own, which knows the answers, and prompts
that hold them. A reward in the user's own file can still read what it likes from the disk.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cohort.config.teacher import Teacher
from cohort.data.records import PART, Problem
from cohort.errors import LabelError, legible
from cohort.rewards.functions import RewardFunction
from cohort.rewards.teacher.reference import COLUMN
from cohort.tasks.problems import ProblemSource
from cohort.train.check_answers import ANSWER_COLUMNS

LEAKED_SHARE = 0.9
"""The share of prompts that hold their own answer from which on it is no accident."""

NOT_FREE = "a stage with a teacher is free of labels"


def check_free_of_labels(
    teacher: Teacher, rewards: Sequence[RewardFunction], source: ProblemSource
) -> None:
    """Raise LabelError for the first way in which a label would be read."""
    known = source.known()
    labels = {name for problem in known for name in problem.columns}
    labels -= {*teacher.columns, COLUMN, PART}
    for reward in rewards:
        if any(reward.function is own for own in source.rewards.values()):
            raise LabelError(
                f'reward "{reward.name}" is the task\'s own and knows its answers; {NOT_FREE}',
                "reward by agrees or rubric; measure with it in a stage evaluate",
            )
        asked = [name for name in reward.parameters if name in labels]
        asked += [name for name in reward.requires if name not in (*teacher.columns, COLUMN, PART)]
        if asked:
            raise LabelError(
                f'reward "{reward.name}" reads the column "{legible(asked[0])}"; {NOT_FREE}',
                "leave the reward to a stage evaluate, or name the column in teacher.columns",
            )
    for name in sorted(labels & {*ANSWER_COLUMNS}):  # others are what a template asks about
        _check_prompts(name, [problem for problem in known if name in problem.columns])


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
