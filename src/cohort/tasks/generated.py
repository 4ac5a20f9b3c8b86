"""What tasks that make their problems share: distinct draws, and problems that are held out.

A draw is a function of a generator; the generator belongs to a key. So a step's problems follow
from the seed, the purpose and the step alone. Which problems are held out is a property of their
ids: they are the same for every seed, and no training draw ever returns one.
"""

from __future__ import annotations

import inspect
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cohort.config.lookup import nearest
from cohort.data import keyed
from cohort.data.records import Problem
from cohort.errors import DataError, legible

Draw = Callable[[np.random.Generator], Problem]

REPEATS_TO_GIVE_UP = 200
"""Draws in a row that gave nothing unseen, after which there is taken to be nothing more."""

MOST_HELD_OUT = 10_000
"""A task's problems to hold out; as many take some seconds."""

MOST_DRAWS = 200
"""Draws for each problem to hold out; one in five is held out, so far fewer are needed."""


class Drawn(ABC):
    """A task whose problems are drawn: which of them a step has, and which are held out.

    A task says how one problem is drawn, and how its demonstrations are made of a step's problems.
    """

    name: str

    def __init__(self, held_out_problems: int) -> None:
        """Draws what is held out: the options that a problem depends on are known by then."""
        self._held_out = hold_out(self._draw, held_out_problems, self.name)

    @abstractmethod
    def _draw(self, generator: np.random.Generator) -> Problem:
        """A problem, from this generator and the options alone."""

    def batch(self, *, seed: int, purpose: str, step: int, count: int) -> list[Problem]:
        """The training problems of a step: a function of these arguments and the options alone."""
        return distinct(self._draw, count, seed, self.name, purpose, step)

    def held_out(self) -> list[Problem]:
        """The held-out problems, the same for every seed."""
        return list(self._held_out)

    def known(self) -> list[Problem]:
        """The held-out problems; the others are made as they are asked."""
        return self.held_out()


def is_reserved(problem: Problem) -> bool:
    """Whether a problem belongs to the fifth, by hash of its id, that is never trained on.

    It depends on the id alone: no option, seed or number of held-out problems of another stage can
    bring a held-out problem into training.
    """
    return keyed.digest("held-out", problem.id) % 5 == 0


def hold_out(draw: Draw, count: int, *key: keyed.Part) -> list[Problem]:
    """`count` distinct reserved problems by key, or fewer where the task has no more."""
    found: dict[str, Problem] = {}
    repeats = 0
    for i in range(MOST_DRAWS * count):
        problem = draw(keyed.generator("held-out", *key, i))
        if not is_reserved(problem):
            continue
        repeats = repeats + 1 if problem.id in found else 0
        found.setdefault(problem.id, problem)
        if len(found) == count or repeats == REPEATS_TO_GIVE_UP:
            break
    return list(found.values())


def distinct(draw: Draw, count: int, *key: keyed.Part) -> list[Problem]:
    """`count` problems by key, none of them reserved, and none twice while others can be found.

    Where the task has too few, copies follow under ids of their own ("...~2"): rollouts are drawn
    by problem id, and two groups of one id would be the same group.
    """
    found: dict[str, Problem] = {}
    for index in range(count):
        for attempt in itertools.count():
            problem = draw(keyed.generator(*key, index, attempt))
            repeated = problem.id in found and attempt < REPEATS_TO_GIVE_UP
            if not repeated and not is_reserved(problem):
                break
        problem = numbered(problem, found)
        found[problem.id] = problem
    return list(found.values())


def numbered(problem: Problem, taken: Mapping[str, object]) -> Problem:
    """The problem under an id that is not taken: its own, or with "~2", "~3"... behind it."""
    if problem.id not in taken:
        return problem
    free = next(n for n in itertools.count(2) if f"{problem.id}~{n}" not in taken)
    return Problem(f"{problem.id}~{free}", problem.prompt, problem.columns)


def make_task(name: str, task: Callable[..., Any], options: Mapping[str, Any], count: int) -> Any:
    """The task with its options; DataError for one that it does not have."""
    parameters = inspect.signature(task).parameters
    known = [option for option in parameters if option != "held_out_problems"]
    for option in options:
        if option not in known:
            near = nearest(option, known)
            raise DataError(
                f'the task {name} has no option "{legible(option)}"; it has {", ".join(known)}',
                f'did you mean "{near}"?' if near else "see the tasks in the documentation",
            )
    check_held_out(count)
    return task(**options, held_out_problems=count)


def check_held_out(count: int) -> None:
    """Raise DataError for more problems than can be made before a run begins."""
    if count > MOST_HELD_OUT:
        raise DataError(
            f"problems.held_out_problems is {count}: they are all made before a run begins",
            f"hold out at most {MOST_HELD_OUT:,} problems of a task; 200 is the default",
        )


def whole(task: str, option: str, value: object, low: int, high: int) -> int:
    """A whole number within bounds, or a DataError that names the option."""
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    raise DataError(
        f"{task}: {option} is {legible(repr(value))}",
        f"use a whole number from {low} to {high}",
    )


def share(task: str, option: str, value: object) -> float:
    """A number from 0 to 1, or a DataError that names the option."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0.0 <= value <= 1.0:
        return float(value)
    raise DataError(
        f"{task}: {option} is {legible(repr(value))}", "use a share between 0.0 and 1.0"
    )
