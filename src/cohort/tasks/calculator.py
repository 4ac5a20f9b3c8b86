"""The task "calculator": a small model that cannot multiply, and a calculator that can.

A problem names two to four numbers, and what is done with them from left to right. The policy asks the
calculator for one operation a turn, is shown the result, and asks for the next with it; it ends by saying
the answer. Numbers are far too large for a small model to work out, so what there is to learn is to ask,
to carry results over, and when to stop. Demonstrations do so, and some of them guess instead.

    prompt          47*8-36=
    turn 1          47*8        shown: >376;
    turn 2          376-36      shown: >340;
    turn 3          #340        over
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import numpy as np

from cohort.data import keyed
from cohort.data.records import Demonstration, Problem
from cohort.rollout.environments import EnvironmentFactory, Observed, Spoken
from cohort.tasks.generated import distinct, hold_out, share, whole

OPERATIONS: Mapping[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}
ANSWER = "#"
LARGEST_ASKED = 10**12
"""The calculator refuses larger numbers."""

_ASKED = re.compile(r"(-?[0-9]{1,13})([-+*])(-?[0-9]{1,13})")


@final
class Calculator:
    """Two to `numbers` numbers from 2 to `largest`, with operations between them, from left to right.

    guessed_share: the share of the demonstrations that say a number before they have asked for all.
    """

    name = "calculator"

    def __init__(
        self,
        *,
        numbers: int = 4,
        largest: int = 99,
        guessed_share: float = 0.5,
        held_out_problems: int = 200,
    ) -> None:
        self.numbers = whole("calculator", "numbers", numbers, 2, 8)
        self.largest = whole("calculator", "largest", largest, 9, 999)
        self.guessed_share = share("calculator", "guessed_share", guessed_share)
        self.rewards: Mapping[str, Callable[..., object]] = {"solved": solved}
        self.environments: Mapping[str, EnvironmentFactory] = {"calculator": Desk}
        self._held_out = hold_out(self._draw, held_out_problems, "calculator")

    def batch(self, *, seed: int, purpose: str, step: int, count: int) -> list[Problem]:
        """The training problems of a step: a function of these arguments and the options alone."""
        return distinct(self._draw, count, seed, "calculator", purpose, step)

    def demonstrations(self, *, seed: int, step: int, count: int) -> list[Demonstration]:
        """The demonstrations of a step; which of them guess, and after which turn, follows from the key."""
        problems = self.batch(seed=seed, purpose="demonstrations", step=step, count=count)
        draws = keyed.uniforms(3 * count, seed, "calculator", "guesses", step).reshape(count, 3)
        return [self._demonstration(*both) for both in zip(problems, draws, strict=True)]

    def held_out(self) -> list[Problem]:
        """The held-out problems, the same for every seed."""
        return list(self._held_out)

    def known(self) -> list[Problem]:
        """The held-out problems; the others are made as they are asked."""
        return self.held_out()

    def vocabulary(self) -> list[str]:
        """Digits, operations, and the marks of prompts, results and answers."""
        return [*"0123456789", *OPERATIONS, "=", ">", ";", ANSWER]

    def _draw(self, generator: np.random.Generator) -> Problem:
        count = int(generator.integers(2, self.numbers + 1))
        numbers = [int(n) for n in generator.integers(2, self.largest + 1, size=count)]
        signs = [list(OPERATIONS)[k] for k in generator.integers(0, 3, size=count - 1)]
        shown = f"{numbers[0]}" + "".join(
            f"{s}{n}" for s, n in zip(signs, numbers[1:], strict=True)
        )
        columns = {"numbers": numbers, "signs": signs, "answer": str(worked(numbers, signs)[-1])}
        return Problem(f"calculator:{shown}", f"{shown}=", columns)

    def _demonstration(self, problem: Problem, draws: np.ndarray) -> Demonstration:
        numbers: Any = problem.columns["numbers"]
        signs: Any = problem.columns["signs"]
        totals = worked(numbers, signs)
        turns = tuple(
            (f"{before}{sign}{number}", f">{after};")
            for before, sign, number, after in zip(
                totals, signs, numbers[1:], totals[1:], strict=False
            )
        )
        guesses, where, what = draws
        if guesses >= self.guessed_share:
            return Demonstration(problem, f"{ANSWER}{totals[-1]}", turns)
        asked = int(where * len(turns))
        return Demonstration(problem, f"{ANSWER}{int(what * self.largest)}", turns[:asked])


def worked(numbers: Sequence[int], signs: Sequence[str]) -> list[int]:
    """The first number, and the results of the operations from left to right."""
    found = [numbers[0]]
    for sign, number in zip(signs, numbers[1:], strict=True):
        found.append(OPERATIONS[sign](found[-1], number))
    return found


class Desk:
    """The environment: a calculator for one operation a turn; an answer ends the episode."""

    quick = True

    def reset(self, problem: Problem, seed: int) -> str:
        """The problem as it is; nothing here is drawn."""
        self._answer = str(problem.columns["answer"])
        assert isinstance(problem.prompt, str), "the calculator's prompts are text"
        return problem.prompt

    def step(self, spoken: Spoken) -> Observed:
        """The result of what was asked; `?` where it was nothing that can be."""
        if spoken.text.startswith(ANSWER):
            right = spoken.text == ANSWER + self._answer
            return Observed(over=True, facts={"outcome": right, "turns": spoken.number + 1})
        asked = _ASKED.fullmatch(spoken.text)
        if asked is None or max(abs(int(asked[1])), abs(int(asked[3]))) > LARGEST_ASKED:
            return Observed(">?;", facts={"outcome": False})
        result = OPERATIONS[asked[2]](int(asked[1]), int(asked[3]))
        return Observed(f">{result};", facts={"outcome": False})


def solved(*, episodes: Sequence[Mapping[str, Any] | None], **_: object) -> list[float | None]:
    """1.0 where the episode ended with the right answer, else 0.0; None where there is no episode."""
    return [None if one is None else float(one["facts"].get("outcome") is True) for one in episodes]
