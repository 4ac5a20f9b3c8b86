"""One function, all rollouts of a batch: what became of each, whatever the function does.

A call that raises, returns what is no list of rewards or ends its process is repeated on halves, down to
the rollouts that are to blame; the others are scored. What ended its process twice, the second time
alone, is put into quarantine and never tried again. Failures that may pass are retried a bounded
number of times. In a strict batch, a stage's first, a mistake of the function is raised instead.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cohort.errors import RewardError
from cohort.rewards.functions import RewardFunction
from cohort.rewards.isolation.quarantine import Quarantine, key_of
from cohort.rewards.isolation.returned import Plain, outcomes
from cohort.rewards.outcome import Failed, Outcome

Keywords = Mapping[str, Any]
Places = tuple[int, ...]
"""Rollouts of a batch that are asked together or not at all: one, or a group."""

DEATHS = ("deadline", "crashed", "memory", "processes", "output")


class Caller(Protocol):
    """Calls a function, here or in a worker."""

    def call(self, reward: RewardFunction, calls: Sequence[Keywords]) -> list[Plain] | Failed:
        """What each call returned (see `returned`) or raised; Failed where its process ended."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What a function is given, a list per name with one entry per rollout, and of which group each is."""

    given: Mapping[str, Sequence[Any]]
    arguments: Mapping[str, Any]
    group: Sequence[int]
    named: Callable[[int], str]
    """Says which rollout a number is, in messages."""

    def keywords(self, places: Sequence[int]) -> dict[str, Any]:
        """The keyword arguments of a call for these rollouts."""
        lists = {name: [values[place] for place in places] for name, values in self.given.items()}
        return lists | dict(self.arguments)


@dataclass(slots=True)
class Account:
    """What asking a function cost beside its values: rollouts asked again, and its slowest call."""

    retried: int = 0
    slowest_seconds: float = 0.0


class Asking:
    """One function being asked about one batch."""

    def __init__(
        self, reward: RewardFunction, batch: Batch, caller: Caller, quarantine: Quarantine
    ) -> None:
        self._reward, self._batch = reward, batch
        self._caller, self._quarantine = caller, quarantine
        self._found: dict[int, Outcome] = {}
        self._ends: float | None = None
        self.account = Account()

    def outcomes(self, *, strict: bool) -> list[Outcome]:
        """One outcome per rollout. Raises RewardError where the batch is strict and the function
        raised, or returned what is no reward."""
        self._strict = strict
        units = self._units()
        self._ask([unit for unit in units if not self._is_quarantined(unit)])
        for _ in range(self._reward.options.retries):
            again = [unit for unit in units if any(self._may_pass(place) for place in unit)]
            if not again:
                break
            self.account.retried += sum(map(len, again))
            self._ask(again)
        return [self._found[place] for place in range(len(self._batch.group))]

    def _units(self) -> list[Places]:
        if not self._reward.per_group:
            return [(place,) for place in range(len(self._batch.group))]
        by_group: dict[int, list[int]] = {}
        for place, group in enumerate(self._batch.group):
            by_group.setdefault(group, []).append(place)
        return [tuple(places) for places in by_group.values()]

    def _may_pass(self, place: int) -> bool:
        found = self._found[place]
        return isinstance(found, Failed) and found.retryable

    def _ask(self, units: Sequence[Places]) -> None:
        """Ask about these, and about halves of them where that does not go well."""
        left: list[tuple[Sequence[Places], int]] = [(units, 0)] if units else []
        while left:
            part, deaths = left.pop()
            began = time.monotonic()
            said = self._caller.call(self._reward, self._calls(part))
            self.account.slowest_seconds = max(
                self.account.slowest_seconds, time.monotonic() - began
            )
            if isinstance(said, Failed):
                left += self._after_death(part, deaths + 1, said)
            else:
                left += self._after_answer(part, said)

    def _calls(self, part: Sequence[Places]) -> list[Keywords]:
        """One call for all, or one for each unit where the function wants it so."""
        if self._reward.by_unit:
            return [self._batch.keywords(unit) for unit in part]
        return [self._batch.keywords([place for unit in part for place in unit])]

    def _after_death(
        self, part: Sequence[Places], deaths: int, why: Failed
    ) -> list[tuple[Sequence[Places], int]]:
        """What is to be asked next, now that this part has ended the process it was asked in."""
        now, deadline = time.monotonic(), self._reward.options.deadline_seconds
        if self._ends is None:
            self._ends = now + deadline * (2 + math.ceil(math.log2(len(part) + 1)))
        if len(part) == 1 and deaths > 1:
            self._quarantine.put(self._reward.name, self._key(part[0]), why)
            self._settle(part, why)
        elif now > self._ends:
            self._settle(part, Failed(why.kind, f"{why.reason}, in a call for {len(part)} answers"))
        elif len(part) == 1:
            return [(part, deaths)]
        else:
            return _halves(part, deaths)
        return []

    def _after_answer(
        self, part: Sequence[Places], said: Sequence[Plain]
    ) -> list[tuple[Sequence[Places], int]]:
        """Take what was said, call by call; a call that said nothing is repeated on its halves."""
        asked = [[unit] for unit in part] if self._reward.by_unit else [part]
        again: list[tuple[Sequence[Places], int]] = []
        for units, one in zip(asked, said, strict=True):
            places = [place for unit in units for place in unit]
            found = _raised(one) or outcomes(one, len(places), self._reward.span)
            if self._strict:
                self._refuse(found, one, places)
            if not isinstance(found, Failed):
                self._found |= dict(zip(places, found, strict=True))
            elif len(units) > 1:
                again += _halves(units, 0)
            else:
                self._settle(units, found)
        return again

    def _settle(self, units: Sequence[Places], outcome: Outcome) -> None:
        self._found |= {place: outcome for unit in units for place in unit}

    def _key(self, unit: Places) -> str:
        return key_of(self._reward, self._batch.keywords(unit))

    def _is_quarantined(self, unit: Places) -> bool:
        if self._quarantine.is_empty:
            return False
        why = self._quarantine.find(self._key(unit))
        if why is not None:
            self._settle([unit], why)
        return why is not None

    def _refuse(self, found: list[Outcome] | Failed, said: Plain, places: Sequence[int]) -> None:
        """Raise the first mistake of the function, where there is one."""
        if isinstance(found, Failed):
            raise mistake(self._reward, found, said)
        for place, outcome in zip(places, found, strict=True):
            if isinstance(outcome, Failed) and outcome.kind == "invalid":
                raise mistake(self._reward, outcome, said, f" for {self._batch.named(place)}")


class RaisedInFunctionError(Exception):
    """What a reward function raised in a worker: the user's frames of its traceback, as text."""


def mistake(reward: RewardFunction, why: Failed, said: Plain, where: str = "") -> RewardError:
    """The refusal that a mistake of a function is, with the traceback of the user's frames behind it."""
    if why.kind != "raised":
        return RewardError(
            f'reward "{reward.name}" {why.reason}{where}',
            "return for each completion a finite number, None where it cannot say, or (end, reward) "
            "pairs for its steps",
        )
    error = RewardError(
        f'reward "{reward.name}" {why.reason}',
        "return None for an answer that it cannot judge; add -v to see the traceback",
    )
    error.__cause__ = RaisedInFunctionError(str(said.get("trace", "")))
    return error


def _raised(said: Plain) -> Failed | None:
    if isinstance(said, dict) and isinstance(text := said.get("raised"), str):
        return Failed("raised", f"raised {text[:400]}")
    return None


def _halves(units: Sequence[Places], deaths: int) -> list[tuple[Sequence[Places], int]]:
    """Both halves, the first on top: functions see rollouts in their order."""
    middle = len(units) // 2
    return [(units[middle:], deaths), (units[:middle], deaths)]
