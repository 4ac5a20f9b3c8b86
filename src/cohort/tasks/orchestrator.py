"""The task "orchestrator": which tool to ask, when tools differ in what they solve, cost and take.

ToolOrchestra (arXiv:2511.21689) in miniature. A problem says how hard it looks, what every tool charges,
how long it takes, and what matters to whoever asks. There is no more to it: only tools know answers.
Demonstrations ask tools at random, in the right form: which of them pays is left to be found out. Tools are
asked, and their answers seen, in turns (see `orchestrator_desk`).

    prompt          middling: cheap 07c 3s, medium 16c 5s, strong 84c 9s; cost matters
    turn 1          ask cheap           and it is shown     -> failed
    turn 2          ask medium          and it is shown     -> 17
    turn 3          done

With aliases the tools have other names in every problem, in any order, and the table says what each
solves: `middling: D hard 84c 9s, A easy 07c 3s, ...`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import final

import numpy as np

from cohort.data import keyed
from cohort.data.records import Demonstration, Problem
from cohort.errors import DataError, legible
from cohort.rollout.environments import EnvironmentFactory
from cohort.tasks.generated import distinct, hold_out, share, whole
from cohort.tasks.orchestrator_desk import (
    DONE,
    FAILED,
    KINDS,
    NO_SUCH,
    REACH,
    UNREAD,
    Desk,
    answer_of,
    shown,
)
from cohort.tasks.orchestrator_measures import MEASURES

PREFERENCES = {
    "outcome": {"outcome": 1.0},
    "cost": {"outcome": 1.0, "cost": 1.0},
    "time": {"outcome": 1.0, "latency": 1.0},
}
"""What may matter, and how much outcome, cost and latency weigh then."""

WORDS = {
    "outcome": "only the outcome matters",
    "cost": "cost matters",
    "time": "time matters",
}
"""How a prompt says it."""

BANDS = ((1, 8), (10, 20), (70, 100))
"""Prices in cents, from and to below: low, middle and high. Every problem has one of each."""

ORDERS = {"any": None, "ordinary": (0, 1, 2), "swapped": (2, 1, 0)}
"""Which band the cheap, the medium and the strong tool have; drawn where it is None."""

ALIASES = "ABCDEF"


@final
class Orchestrator:
    """Problems that only tools can solve, at a price.

    kinds: how hard problems look, some of easy, middling and hard.
    preferences: what may matter to whoever asks: some of outcome, cost and time.
    prices: any (whichever tool is dear), ordinary (the strong one is) or swapped (the cheap one is).
    unseen_prices: use the fifth of the prices that problems otherwise never have.
    harder_share: the share of problems that only the strong tool solves, of those that look easier than hard;
        a number, or one for each of the preferences.
    asks: how many calls a problem allows. aliases: whether tools have other names in every problem.
    """

    name = "orchestrator"
    environments: Mapping[str, EnvironmentFactory] = {"orchestrator": Desk}
    rewards: Mapping[str, Callable[..., object]] = MEASURES

    def __init__(
        self,
        *,
        kinds: Sequence[str] = KINDS,
        preferences: Sequence[str] = ("outcome", "cost"),
        prices: str = "any",
        unseen_prices: bool = False,
        harder_share: float | Mapping[str, float] = 0.1,
        asks: int = 2,
        aliases: bool = False,
        held_out_problems: int = 200,
    ) -> None:
        self.kinds = _some_of("kinds", kinds, KINDS)
        self.preferences = _some_of("preferences", preferences, tuple(PREFERENCES))
        self.prices = _some_of("prices", [prices], tuple(ORDERS))[0]
        self.unseen_prices = _truth("unseen_prices", unseen_prices)
        self.harder_share = _shares("harder_share", harder_share, self.preferences)
        self.asks = whole("orchestrator", "asks", asks, 1, 8)
        self.aliases = _truth("aliases", aliases)
        self._held_out = hold_out(self._draw, held_out_problems, "orchestrator")

    def batch(self, *, seed: int, purpose: str, step: int, count: int) -> list[Problem]:
        """The training problems of a step: a function of these arguments and the options alone."""
        return distinct(self._draw, count, seed, "orchestrator", purpose, step)

    def demonstrations(self, *, seed: int, step: int, count: int) -> list[Demonstration]:
        """A random conversation about each problem of a step, in the right form; it follows from the key."""
        problems = self.batch(seed=seed, purpose="demonstrations", step=step, count=count)
        generators = [keyed.generator(seed, "orchestrator", "turns", step, i) for i in range(count)]
        return [self._conversation(*both) for both in zip(problems, generators, strict=True)]

    def held_out(self) -> list[Problem]:
        """The held-out problems, the same for every seed."""
        return list(self._held_out)

    def known(self) -> list[Problem]:
        """The held-out problems; the others are made as they are asked."""
        return self.held_out()

    def vocabulary(self) -> list[str]:
        """Words as whole pieces and numbers by digit, so that prices can be read that were never seen.

        A tool and the first digit of its price are one piece: what a table says of it is then known
        without looking for what stands beside what, which a small model learns last.
        """
        names = ALIASES if self.aliases else REACH
        priced = [f"{name} {digit}" for name in REACH for digit in range(10)]
        said = ["ask ", DONE, "-> ", FAILED, NO_SUCH, UNREAD, "\n"]
        return [
            *KINDS,
            *names,
            *([] if self.aliases else priced),
            *WORDS.values(),
            *said,
            *"0123456789",
            ": ",
            ", ",
            "; ",
            " ",
            "c ",
            "s",
        ]

    def _draw(self, generator: np.random.Generator) -> Problem:
        kind = self.kinds[int(generator.integers(len(self.kinds)))]
        wants = self.preferences[int(generator.integers(len(self.preferences)))]
        order = generator.permutation(3)
        bands = ORDERS[self.prices] or [int(place) for place in order]
        prices = {
            tool: self._price(generator, band) for tool, band in zip(REACH, bands, strict=True)
        }
        seconds = dict(zip(REACH, (int(n) + 1 for n in generator.permutation(9)), strict=False))
        answer = f"{int(generator.integers(100)):02d}"
        harder = bool(generator.random() < self.harder_share[wants]) and kind != KINDS[-1]
        names = self._names(generator)
        table = ", ".join(
            f"{name} {self._solves(tool)}{prices[tool]:02d}c {seconds[tool]}s"
            for name, tool in names.items()
        )
        prompt = f"{kind}: {table}; {WORDS[wants]}\n"
        columns = {
            "kind": kind,
            "harder": harder,
            "answer": answer,
            "prices": prices,
            "seconds": seconds,
            "names": names,
            "asks": self.asks,
            "wants": wants,
            "preference": dict(PREFERENCES[wants]),
        }
        return Problem(f"orchestrator:{prompt[:-1]}={answer}{'!' * harder}", prompt, columns)

    def _price(self, generator: np.random.Generator, band: int) -> int:
        known = _prices(band, self.unseen_prices)
        return known[int(generator.integers(len(known)))]

    def _names(self, generator: np.random.Generator) -> dict[str, str]:
        """What the tools are called, in the order in which they are shown."""
        if not self.aliases:
            return {tool: tool for tool in REACH}
        letters = [ALIASES[int(place)] for place in generator.permutation(len(ALIASES))]
        tools = [tuple(REACH)[int(place)] for place in generator.permutation(len(REACH))]
        return dict(zip(letters, tools, strict=False))

    def _solves(self, tool: str) -> str:
        return f"{KINDS[REACH[tool]]} " if self.aliases else ""

    def _conversation(self, problem: Problem, generator: np.random.Generator) -> Demonstration:
        """Ask any tool until one answers, or no call is left."""
        names = problem.columns["names"]
        assert isinstance(names, dict), problem
        turns: list[tuple[str, str]] = []
        said = FAILED
        while said == FAILED and len(turns) < self.asks:
            name = list(names)[int(generator.integers(len(names)))]
            said = answer_of(names[name], problem)
            turns.append((f"ask {name}", shown(said)))
        return Demonstration(problem, DONE, tuple(turns))


def asked_for(problem: Problem, wants: str) -> Problem:
    """The same problem for somebody to whom another thing matters."""
    was = f"; {WORDS[str(problem.columns['wants'])]}\n"
    now = f"; {WORDS[wants]}\n"
    prompt = f"{str(problem.prompt).removesuffix(was)}{now}"
    columns = {**problem.columns, "wants": wants, "preference": dict(PREFERENCES[wants])}
    return Problem(problem.id.replace(was[:-1], now[:-1]), prompt, columns)


@functools.cache
def _prices(band: int, unseen: bool) -> tuple[int, ...]:
    """The prices of a band: those of the fifth that is kept from training, or the others."""
    every = range(*BANDS[band])
    return tuple(
        price for price in every if (keyed.digest("never asked", price) % 5 == 0) is unseen
    )


def _some_of(option: str, values: object, known: Sequence[str]) -> tuple[str, ...]:
    listed = tuple(values) if isinstance(values, (list, tuple)) else ()
    if listed and all(value in known for value in listed):
        return listed
    raise DataError(
        f"orchestrator: {option} is {legible(repr(values))}", f"use some of: {', '.join(known)}"
    )


def _shares(option: str, value: object, names: Sequence[str]) -> dict[str, float]:
    """A share for each of the names, from a table of them or from one number."""
    table = value if isinstance(value, Mapping) else dict.fromkeys(names, value)
    if set(table) != set(names):
        raise DataError(
            f"orchestrator: {option} is {legible(repr(value))}",
            f"give a number, or one for each of: {', '.join(names)}",
        )
    return {name: share("orchestrator", option, table[name]) for name in names}


def _truth(option: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise DataError(f"orchestrator: {option} is {legible(repr(value))}", "use true or false")
