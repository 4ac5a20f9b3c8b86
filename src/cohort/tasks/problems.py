"""What asks the problems of a stage: the protocol of sources, and how a recipe's table opens one.

A source is a built-in task, or rows of a file, a hub data set or a function (`finite`). Every
choice it makes is a function of its arguments; nothing has to be remembered between steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, final

from cohort.config.lookup import nearest
from cohort.config.stages import Problems
from cohort.data.files import READERS, Row, suffix_of
from cohort.data.imported import is_function
from cohort.data.records import Demonstration, Problem
from cohort.data.sources import HUB, read_held_out_rows, read_rows
from cohort.errors import DataError, legible
from cohort.tasks.asking import prompt_of
from cohort.tasks.calculator import Calculator
from cohort.tasks.chain import Chain
from cohort.tasks.countdown import Countdown
from cohort.tasks.finite import Finite
from cohort.tasks.generated import make_task
from cohort.tasks.greetings import Greetings
from cohort.tasks.orchestrator import Orchestrator
from cohort.tasks.reasoning_gym import ReasoningGym
from cohort.tasks.reasoning_gym_items import PREFIX
from cohort.tasks.slips import Slips
from cohort.tasks.sums import Sums
from cohort.tasks.tau2_mock import Tau2Mock
from cohort.tasks.toolscale import ToolScale


class ProblemSource(Protocol):
    """Problems by step, demonstrations by step, and problems that are held out."""

    @property
    def name(self) -> str:
        """How messages and reports call the source."""

    @property
    def rewards(self) -> Mapping[str, Callable[..., object]]:
        """The task's own reward functions, with TRL's signature; may be empty.

        A source may also have `environments`, of type Mapping[str, EnvironmentFactory].
        """

    def batch(self, *, seed: int, purpose: str, step: int, count: int) -> list[Problem]:
        """The training problems of a step (from 1), with distinct ids: a pure function."""

    def demonstrations(self, *, seed: int, step: int, count: int) -> list[Demonstration]:
        """The demonstrations of a supervised step (from 1): a pure function."""

    def held_out(self) -> list[Problem]:
        """Problems that no batch and no demonstration has, the same for every seed."""

    def known(self) -> list[Problem]:
        """What can be looked at before anything is trained: all problems of a file, and of a task
        that makes them as it goes, the held-out ones."""

    def vocabulary(self) -> list[str]:
        """The pieces of a new model's tokenizer; DataError where the source has none."""


BUILT_IN: dict[str, Callable[..., ProblemSource]] = {
    "calculator": Calculator,
    "chain": Chain,
    "countdown": Countdown,
    "greetings": Greetings,
    "orchestrator": Orchestrator,
    "slips": Slips,
    "sums": Sums,
    "tau2-mock": Tau2Mock,
    "toolscale": ToolScale,
}
"""The tasks that a recipe may name."""

NOT_FOR_TASKS = ("prompt", "completion", "columns", "split", "held_out", "too_long")
"""Options about rows; a task has none."""


def open_source(options: Problems, base: Path) -> ProblemSource:
    """The source that a recipe's `problems` name; files are looked for in `base`.

    Raises DataError for what does not exist or cannot be read, MissingExtraError for Parquet files
    and hub data sets without the extra `data`.
    """
    source = options.source
    if source in BUILT_IN or source.startswith(PREFIX):
        return _open_task(options)
    if source.startswith(HUB) or is_function(source) or suffix_of(source):
        others = read_held_out_rows(options, base) if options.held_out else []
        return Finite(options, read_rows(options, base), others)
    near = nearest(source, BUILT_IN)
    raise DataError(
        f'there is no task "{legible(source)}"; there are {", ".join(BUILT_IN)}; or name a file '
        f'({", ".join(READERS)}), "hub:owner/name", "{PREFIX}TASK" or "file.py:function"',
        f'did you mean "{near}"?' if near else "a file is named with its suffix",
    )


def given_rows(options: Problems, rows: Sequence[Mapping[str, Any]]) -> ProblemSource:
    """A source of rows that a Python caller has at hand. Raises DataError for what cannot be asked."""
    if not rows:
        raise DataError("problems is empty: there is nothing to ask", "give at least one row")
    return Finite(options, [Row(row, f"row {n}") for n, row in enumerate(rows, start=1)], [])


def _open_task(options: Problems) -> ProblemSource:
    """A task, its prompts put into other words where the options ask for it."""
    default = Problems(source=options.source)
    for name in NOT_FOR_TASKS:
        if getattr(options, name) != getattr(default, name):
            raise DataError(
                f"problems.{name} is for rows; {options.source} is a built-in task",
                "leave it out; template, system and chat work with tasks too",
            )
    task = _task(options)
    return Worded(task, options) if options.template or options.system or options.chat else task


def _task(options: Problems) -> ProblemSource:
    if options.source.startswith(PREFIX):
        name = options.source.removeprefix(PREFIX)
        return ReasoningGym(name, options.options, options.held_out_problems)
    task: ProblemSource = make_task(
        options.source, BUILT_IN[options.source], options.options, options.held_out_problems
    )
    return task


@final
class Worded:
    """A task whose prompts a template, a system message or a chat turn put into other words.

    A template's columns are those of the task, and `{prompt}` for the task's own prompt.
    """

    def __init__(self, task: ProblemSource, options: Problems) -> None:
        self.name = task.name
        self.rewards = task.rewards
        self._task = task
        self._options = options
        self._held_out = [self._worded(problem) for problem in task.held_out()]

    def batch(self, *, seed: int, purpose: str, step: int, count: int) -> list[Problem]:
        """The task's batch, in these words."""
        problems = self._task.batch(seed=seed, purpose=purpose, step=step, count=count)
        return [self._worded(problem) for problem in problems]

    def demonstrations(self, *, seed: int, step: int, count: int) -> list[Demonstration]:
        """The task's demonstrations, in these words; completions stay as they are."""
        own = self._task.demonstrations(seed=seed, step=step, count=count)
        return [replace(one, problem=self._worded(one.problem)) for one in own]

    def held_out(self) -> list[Problem]:
        """The task's held-out problems, in these words."""
        return list(self._held_out)

    def known(self) -> list[Problem]:
        """The held-out problems, in these words."""
        return self.held_out()

    def vocabulary(self) -> list[str]:
        """The task's pieces, and the characters that the words add to them."""
        pieces = self._task.vocabulary()
        return [*pieces, *sorted(set(self._options.template + self._options.system) - {*pieces})]

    def _worded(self, problem: Problem) -> Problem:
        values = {**problem.columns, "prompt": problem.prompt}
        return replace(problem, prompt=prompt_of(values, problem.id, self._options))
