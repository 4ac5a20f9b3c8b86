"""The task "calculator": a small model that cannot multiply, and a calculator that can.

A problem names two to four numbers, and what is done with them from left to right. The policy asks the
calculator for one operation a turn, is shown the result, and asks for the next with it; it ends by saying
the answer. No demonstration works anything out, so what there is to learn is to ask, to carry results
over, and when to stop. Some demonstrations stop too early, and say the last number that they know.

A number is one token: to say one again that was shown is a single look back, which a small model
learns in minutes; digit by digit it loses its place where digits repeat.

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
from cohort.tasks.generated import Drawn, share, whole

OPERATIONS: Mapping[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}
ANSWER = "#"
SMALLEST = 2
"""Of all numbers; it changes any total, whatever is done with it."""
LARGEST_ASKED = 10**12
"""The calculator refuses larger numbers."""

_ASKED = re.compile(r"(-?[0-9]{1,13})([-+*])(-?[0-9]{1,13})")


@final
class Calculator(Drawn):
    """Two to `numbers` numbers, with operations between them, from left to right.

    largest: the largest of them, and of the results; the smallest is 2.
    guessed_share: the share of the demonstrations that say a number before they have asked for all.
    """

    name = "calculator"

    def __init__(
        self,
        *,
        numbers: int = 4,
        largest: int = 199,
        guessed_share: float = 0.75,
        held_out_problems: int = 200,
    ) -> None:
        self.numbers = whole("calculator", "numbers", numbers, 2, 8)
        self.largest = whole("calculator", "largest", largest, 9, 9999)
        self.guessed_share = share("calculator", "guessed_share", guessed_share)
        self.rewards: Mapping[str, Callable[..., object]] = {"solved": solved}
        self.environments: Mapping[str, EnvironmentFactory] = {"calculator": Desk}
        super().__init__(held_out_problems)

    def demonstrations(self, *, seed: int, step: int, count: int) -> list[Demonstration]:
        """The demonstrations of a step; which of them guess, and after which turn, follows from the key."""
        problems = self.batch(seed=seed, purpose="demonstrations", step=step, count=count)
        draws = keyed.uniforms(2 * count, seed, "calculator", "guesses", step).reshape(count, 2)
        return [self._demonstration(*both) for both in zip(problems, draws, strict=True)]

    def vocabulary(self) -> list[str]:
        """Whole numbers, operations, and the marks of prompts, results and answers."""
        numbers = [str(number) for number in range(self.largest + 1)]
        return [*numbers, *OPERATIONS, "=", ">", "?", ";", ANSWER]

    def _draw(self, generator: np.random.Generator) -> Problem:
        """A problem; every operation is uniform among those that some number can follow."""
        count = int(generator.integers(2, self.numbers + 1))
        numbers = [int(generator.integers(SMALLEST, self.largest + 1))]
        signs: list[str] = []
        for _ in range(count - 1):
            before = worked(numbers, signs)[-1]
            most = {sign: self._most(before, sign) for sign in OPERATIONS}
            able = [sign for sign in OPERATIONS if most[sign] >= SMALLEST]
            signs.append(able[generator.integers(0, len(able))])
            numbers.append(int(generator.integers(SMALLEST, most[signs[-1]] + 1)))
        rest = "".join(f"{s}{n}" for s, n in zip(signs, numbers[1:], strict=True))
        shown = f"{numbers[0]}{rest}"
        columns = {"numbers": numbers, "signs": signs, "answer": str(worked(numbers, signs)[-1])}
        return Problem(f"calculator:{shown}", f"{shown}=", columns)

    def _most(self, before: int, sign: str) -> int:
        """The largest number that can follow `sign`, so that the result is within bounds."""
        most = {"+": self.largest - before, "-": before - SMALLEST, "*": self.largest // before}
        return most[sign]

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
        guesses, where = draws
        asked = int(where * len(turns)) if guesses < self.guessed_share else len(turns)
        return Demonstration(problem, f"{ANSWER}{totals[asked]}", turns[:asked])


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
