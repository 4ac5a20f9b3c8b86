"""An environment of tools that cost something: functions, models and programs alike, each with a price.

ToolOrchestra (arXiv:2511.21689), section 3.1: whatever can be called is a name, a description and a schema,
and what it charges and how long it takes stands in its description. A problem may have its own table, with
some of the tools, at its own prices and by other names: a policy has to read, and cannot know by heart.

    columns of a problem, all of them optional:
    tools       the names of the tools that it offers
    prices      by the name of a tool, numbers of its Price that are others here
    names       the name that it goes by here, and the tool's

Simulated seconds are counted and never waited for; a tool without them is timed by the clock. What tools do
is told as in ToolEnvironment, which this one is with a bill.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, final

from cohort.config.lookup import nearest
from cohort.data.records import Problem
from cohort.errors import DataError, legible, listed
from cohort.rewards.rules import correct
from cohort.rollout.caller import Came
from cohort.rollout.environments import VERSION, Observed, Prompt, Spoken, Tool, Tools
from cohort.rollout.tool_environment import ToolEnvironment

LONGEST_SEEN = 20_000
"""Characters of what a tool returned that are shown; the rest is left out, and said to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a tool charges.

    cents: for a call. cents_read, cents_written: for a thousand tokens that a model reads and writes.
    seconds: how long a call takes on the simulated clock; None: as long as it does.
    """

    cents: float = 0.0
    cents_read: float = 0.0
    cents_written: float = 0.0
    seconds: float | None = None

    def of(self, used: Used) -> float:
        """The cents of a call."""
        by_token = self.cents_read * used.read + self.cents_written * used.written
        return self.cents + by_token / 1000.0

    @property
    def said(self) -> str:
        """The price in words, as it stands in a description."""
        parts = [f"costs {self.cents:g} cents"]
        if self.cents_read or self.cents_written:
            parts.append(
                f"{self.cents_read:g} cents per thousand tokens read and {self.cents_written:g} written"
            )
        if self.seconds is not None:
            parts.append(f"takes {self.seconds:g} s")
        return f"A call {', '.join(parts)}."


@dataclass(frozen=True, slots=True)
class Used:
    """What a tool that is a model may return: its words, and the tokens that it read and wrote."""

    said: object
    read: int = 0
    written: int = 0


class Broken(Exception):
    """What a tool raises where its machinery fails: the episode fails, and nobody is told to do better."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool as a problem offers it: its own name, and what it charges here."""

    tool: Tool
    price: Price

    def under(self, name: str) -> Tool:
        """The tool under the name that it has here, with the price in its description."""
        described = f"{self.tool.description} {self.price.said}"
        return replace(self.tool, name=name, description=described)


@dataclass(slots=True)
class _Bill:
    """What an episode has come to."""

    calls: dict[str, int]
    cents: float = 0.0
    seconds: float = 0.0


def is_right(problem: Problem, said: str) -> bool:
    """Whether an answer is the column `answer`, as it is or as the rule `correct` finds it in a text."""
    answer = problem.columns.get("answer")
    (value,) = correct(completions=[said], answer=[answer])
    return said.strip() == str(answer) or value == 1.0


@final
class Ensemble:
    """An environment whose turns call tools, until one calls none: that is the answer.

    right: whether it solves the problem. call_seconds: one call may take, at most, by the clock. Facts are
    those that the reward `orchestra` reads, by the tools' own names, and `failed`, calls that gave nothing.
    """

    protocol = VERSION

    def __init__(
        self,
        tools: Sequence[Tool],
        prices: Mapping[str, Price],
        *,
        right: Callable[[Problem, str], bool] = is_right,
        call_seconds: float = 60.0,
    ) -> None:
        self._all = {tool.name: Offer(tool, prices.get(tool.name, Price())) for tool in tools}
        self._right, self._call_seconds = right, call_seconds

    def reset(self, problem: Problem, seed: int) -> Prompt:
        """The problem's prompt. Raises DataError for a table that names no tool of these."""
        self._problem = problem
        self._offers = offers_of(problem, self._all)
        self._bill = _Bill({offer.tool.name: 0 for offer in self._offers.values()})
        self._acts = ToolEnvironment(
            [offer.under(name) for name, offer in self._offers.items()],
            call_seconds=self._call_seconds,
            result_characters=LONGEST_SEEN,
            bill=self._billed,
        )
        return self._acts.reset(problem, seed)

    @property
    def tools(self) -> Tools:
        """What is offered, under the names of this problem, with the price in the description."""
        return self._acts.tools

    def step(self, spoken: Spoken) -> Observed:
        """What the called tools said; or the end."""
        observed = self._acts.step(spoken)
        said = spoken.content or spoken.text
        solved: dict[str, object] = {}
        if observed.over and said.strip():
            solved = {"outcome": self._right(self._problem, said)}
        return replace(observed, facts=self._facts() | solved)

    def _billed(self, name: str, came: Came, seconds: float) -> Came:
        """What is told of a call, which is put on the bill whatever it came to."""
        if isinstance(came.raised, Broken):
            raise came.raised
        offer = self._offers[name]
        used = came.value if isinstance(came.value, Used) else Used(came.value)
        self._bill.calls[offer.tool.name] += 1
        self._bill.cents += offer.price.of(used)
        self._bill.seconds += seconds if offer.price.seconds is None else offer.price.seconds
        return replace(came, value=used.said)

    def _facts(self) -> dict[str, object]:
        counted = self._acts.facts
        return {
            "calls": dict(self._bill.calls),
            "cost": self._bill.cents,
            "latency": self._bill.seconds,
            "failed": counted["tool_failures"],
            "mistakes": counted["mistakes"],
        }


def offers_of(problem: Problem, known: Mapping[str, Offer]) -> dict[str, Offer]:
    """What a problem offers, by the names it has there."""
    columns: Mapping[str, Any] = problem.columns
    names: Mapping[str, str] = columns.get("names") or {
        name: name for name in columns.get("tools") or known
    }
    prices: Mapping[str, Mapping[str, float]] = columns.get("prices") or {}
    offered = {}
    for shown, name in names.items():
        if name not in known:
            near = nearest(name, known)
            raise DataError(
                f'problem {problem.id!r} offers the tool "{legible(name)}"; there are {listed(known)}',
                f'did you mean "{near}"?' if near else "name one of these",
            )
        own = known[name]
        offered[shown] = replace(own, price=_changed(own.price, prices.get(name) or {}, problem))
    return offered


def _changed(price: Price, numbers: Mapping[str, float], problem: Problem) -> Price:
    known = [own.name for own in fields(Price)]
    for name in numbers:
        if name not in known:
            raise DataError(
                f'problem {problem.id!r} has a price "{legible(name)}"',
                f"there are {listed(known)}",
            )
    return replace(price, **numbers)
