"""Where the task "orchestrator" is played: tools that cost money and time, asked in turns.

A turn of the policy is `ask NAME`, or `done`: then the answer is what the last tool said. A tool that is
asked a problem that looks too hard for it says `failed`. A problem may be harder than it looks, which is as
hard as any: then every tool but the last answers wrongly where it took it for easy, and nobody can tell. Time
is simulated: a call takes the seconds of the problem's table, and none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, final

from cohort.data import keyed
from cohort.data.records import Problem
from cohort.errors import DataError, legible
from cohort.rollout.environments import Observed, Spoken

KINDS = ("easy", "middling", "hard")
"""How hard a problem looks."""

REACH = {"cheap": 0, "medium": 1, "strong": 2}
"""The tools, and the place among KINDS of the hardest that each solves."""

FAILED, NO_SUCH, UNREAD = "failed", "no such tool", "not understood"
DONE = "done"

_ASK = re.compile(r"ask (\S+)")


def shown(what: str) -> str:
    """What the policy sees of an answer."""
    return f"-> {what}\n"


def answer_of(tool: str, problem: Problem) -> str:
    """What a tool says to a problem: its answer, `failed`, or a wrong one that looks like any other."""
    kind, right = str(problem.columns["kind"]), str(problem.columns["answer"])
    looks = KINDS.index(kind)
    if REACH[tool] < looks:
        return FAILED
    if problem.columns["harder"] and REACH[tool] < len(KINDS) - 1:
        return f"{(int(right) + 1 + keyed.digest('wrong', problem.id, tool) % 99) % 100:02d}"
    return right


@final
class Desk:
    """The environment of a problem: what was asked, what it has cost, and how long it took.

    Facts: `calls` of each tool, `cost` in cents, `latency` in simulated seconds, `mistakes` (turns that
    could not be read), `first`, the tool that was asked first; `outcome` once there is an answer. Where it
    is strict, the first turn that cannot be read, or one call too many, ends the episode: it is `lost`, as
    one with a wrong answer is, and there are no mistakes that it would be dropped for.
    """

    quick = True
    protocol = 1

    def __init__(self, *, strict: bool = False) -> None:
        if not isinstance(strict, bool):
            raise DataError(
                f"environment orchestrator: strict is {legible(repr(strict))}", "use true or false"
            )
        self._strict = strict

    def reset(self, problem: Problem, seed: int) -> str:
        """The problem's prompt. Nothing is drawn: what is random of a problem was drawn with it."""
        self._problem = problem
        self._calls = dict.fromkeys(REACH, 0)
        self._first = self._said = ""
        self._cost = self._seconds = self._mistakes = 0
        assert isinstance(problem.prompt, str), "the problems of the orchestrator are text"
        return problem.prompt

    def state_hash(self) -> str:
        """Of everything that an answer depends on."""
        columns = sorted(self._problem.columns.items())
        return str(keyed.digest(self._problem.id, repr(columns), repr(sorted(self._calls.items()))))

    def step(self, spoken: Spoken) -> Observed:
        """What comes of a turn."""
        if spoken.text == DONE:
            solved = self._said == self._problem.columns["answer"]
            return Observed(over=True, facts=self._facts() | {"outcome": solved})
        if asked := _ASK.fullmatch(spoken.text):
            return self._asked(asked[1])
        return self._mistaken(UNREAD)

    def _asked(self, name: str) -> Observed:
        tool = self._table("names").get(name)
        if tool is None:
            return self._mistaken(NO_SUCH)
        if sum(self._calls.values()) >= self._number("asks"):
            return self._lost() if self._strict else Observed(over=True, facts=self._facts())
        self._calls[tool] += 1
        self._first = self._first or tool
        self._cost += self._table("prices")[tool]
        self._seconds += self._table("seconds")[tool]
        self._said = answer_of(tool, self._problem)
        return Observed(shown(self._said), facts=self._facts())

    def _mistaken(self, why: str) -> Observed:
        if self._strict:
            return self._lost()
        self._mistakes += 1
        return Observed(shown(why), facts=self._facts())

    def _lost(self) -> Observed:
        return Observed(over=True, facts=self._facts() | {"outcome": False, "lost": True})

    def _facts(self) -> dict[str, object]:
        return {
            "calls": dict(self._calls),
            "first": self._first,
            "cost": self._cost,
            "latency": self._seconds,
            "mistakes": self._mistakes,
        }

    def _table(self, column: str) -> Mapping[str, Any]:
        table = self._problem.columns[column]
        assert isinstance(table, Mapping), self._problem
        return table

    def _number(self, column: str) -> int:
        number = self._problem.columns[column]
        assert isinstance(number, int), self._problem
        return number
