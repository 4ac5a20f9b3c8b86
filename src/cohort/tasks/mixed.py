"""Several sources as one: of every step each gives the part that its share asks for.

With count n of a step and shares that sum to 1, points are laid at u, u + 1, ... below n, with one u
for the step, and each source gets those that fall on its piece of the line: n times its share, rounded
up or down, and exactly that on average (systematic sampling; Madow 1949, "On the theory of systematic
sampling, II"). So who gives what follows from the seed and the step alone, and each source goes
through its own problems one after the other, as if it were asked alone.

A problem says in its column `mixed_from` which source it is from. A reward of a task speaks of that task's
problems; any other of all, unless `only` names sources. Elsewhere it says nothing, which is no failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from cohort.data import keyed
from cohort.data.records import PART, Demonstration, Problem
from cohort.errors import DataError, legible
from cohort.rewards.functions import RewardFunction
from cohort.tasks.asking import key_of
from cohort.tasks.finite import Finite
from cohort.tasks.generated import numbered
from cohort.tasks.problems import ProblemSource


@dataclass(frozen=True, slots=True)
class Part:
    """A source of a mix: what its problems are marked with, its share, and itself."""

    name: str
    share: float
    source: ProblemSource


@final
class Mixed:
    """Sources with shares, as a source."""

    def __init__(self, parts: Sequence[Part]) -> None:
        """Raises DataError where two sources have different rewards of one name."""
        self.parts = tuple(parts)
        self.name = "a mix of " + ", ".join(part.name for part in parts)
        self.rewards: Mapping[str, Callable[..., object]] = _together(parts)
        ends = np.cumsum([part.share for part in parts])
        self._ends = ends / ends[-1]
        self._given: dict[tuple[int, str, int], list[list[int]]] = {}

    def batch(self, *, seed: int, purpose: str, step: int, count: int) -> list[Problem]:
        """The training problems of a step, source by source; copies under ids of their own."""
        found: dict[str, Problem] = {}
        for part, places in self._places(seed, purpose, step, count):
            for place in places:
                (own,) = part.source.batch(seed=seed, purpose=purpose, step=place, count=1)
                problem = numbered(_marked(own, part.name), found)
                found[problem.id] = problem
        return list(found.values())

    def demonstrations(self, *, seed: int, step: int, count: int) -> list[Demonstration]:
        """The demonstrations of a step, source by source."""
        found = []
        for part, places in self._places(seed, "demonstrations", step, count):
            for place in places:
                (own,) = part.source.demonstrations(seed=seed, step=place, count=1)
                found.append(replace(own, problem=_marked(own.problem, part.name)))
        return found

    def held_out(self) -> list[Problem]:
        """The held-out problems of all sources, without those whose prompt another trains on."""
        trained = {key_of(problem.prompt) for part in self.parts for problem in _trained(part)}
        found: dict[str, Problem] = {}
        for part in self.parts:
            for own in part.source.held_out():
                if key_of(own.prompt) not in trained:
                    problem = numbered(_marked(own, part.name), found)
                    found[problem.id] = problem
        return list(found.values())

    def known(self) -> list[Problem]:
        """What the sources know."""
        return [_marked(own, part.name) for part in self.parts for own in part.source.known()]

    def vocabulary(self) -> list[str]:
        """The pieces of all sources, each once."""
        return list(dict.fromkeys(p for part in self.parts for p in part.source.vocabulary()))

    def check_completions(self) -> None:
        """Raise DataError for the first row without an answer to imitate."""
        for part in self.parts:
            if isinstance(part.source, Finite):
                part.source.check_completions()

    def confined(self, rewards: Iterable[RewardFunction]) -> list[RewardFunction]:
        """The rewards, those of a task asked about that task's problems only."""
        return [self._confined(reward) for reward in rewards]

    def _confined(self, reward: RewardFunction) -> RewardFunction:
        owners = [
            part.name
            for part in self.parts
            if part.source.rewards.get(reward.name) is not None
            and part.source.rewards[reward.name] is self.rewards[reward.name]
        ]
        if not owners or reward.options.only or reward.function is not self.rewards[reward.name]:
            return reward
        return replace(reward, options=reward.options.model_copy(update={"only": owners}))

    def _places(self, seed: int, purpose: str, step: int, count: int) -> list[tuple[Part, range]]:
        """For each source the places, from 1, that it has in this step among all that it gives."""
        ends = self._given.setdefault((seed, purpose, count), [[0] * len(self.parts)])
        while len(ends) <= step:
            (offset,) = keyed.uniforms(1, seed, "mix", purpose, len(ends))
            points = (np.arange(count) + offset) / count
            owners = np.searchsorted(self._ends[:-1], points, side="right")
            given = np.bincount(owners, minlength=len(self.parts))
            ends.append((np.array(ends[-1]) + given).tolist())
        before, after = ends[step - 1], ends[step]
        return [
            (part, range(first + 1, last + 1))
            for part, first, last in zip(self.parts, before, after, strict=True)
        ]


def _marked(problem: Problem, name: str) -> Problem:
    if PART in problem.columns:
        raise DataError(
            f"problem {legible(repr(problem.id))} of {legible(name)} has a column {PART}, which says "
            "in a mix where a problem is from",
            f'give it another name: problems.columns = {{ other = "{PART}" }}',
        )
    return replace(problem, columns={**problem.columns, PART: name})


def _trained(part: Part) -> list[Problem]:
    """The problems that a source is known to train on."""
    kept_out = {problem.id for problem in part.source.held_out()}
    return [problem for problem in part.source.known() if problem.id not in kept_out]


def _together(parts: Sequence[Part]) -> dict[str, Callable[..., object]]:
    found: dict[str, Callable[..., object]] = {}
    for part in parts:
        for name, function in part.source.rewards.items():
            if found.setdefault(name, function) is not function:
                raise DataError(
                    f"two sources of a mix have a reward {name}, and they are not the same one",
                    'name the functions themselves, "file.py:function", each with `only`',
                )
    return found
