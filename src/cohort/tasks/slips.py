"""The task "slips": several letters to be read by heart at once, learned from careless demonstrations.

Each of 26 letters stands for a digit, and a problem asks for the digits of a few of them; the answer is
right if all of them are. The demonstrations slip: each digit is wrong with a probability that belongs to
its letter, and of a few letters one wrong digit is remembered more often than the right one. So a policy
that imitates them is right about most digits and wrong about most answers, and its mistakes are
independent. That is where a reconciled answer beats a vote: eight answers have the right digits between
them when no two agree. With six letters two of them seldom do; with four they do so often that being like
any other answer is a sign of being right.

    prompt          aQbMcZdKeAfT=
    answer          <answer>a7b2c8d8e1f4</answer>

With `demonstrations = "reconciling"` the task teaches the other half: noisy candidate answers to a
question that is not shown, and the answer that they were made from.

    prompt          a7b1c8d8e1f0|a7b2c8d3e1f4|a5b2c8d8e6f4|=
    answer          <answer>a7b2c8d8e1f4</answer>
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import final

import numpy as np

from cohort.config.lookup import nearest
from cohort.data import keyed
from cohort.data.records import Demonstration, Problem
from cohort.errors import DataError, legible
from cohort.rewards.reading import CLOSE_ANSWER, OPEN_ANSWER, Text, final_answer, text_of
from cohort.tasks.generated import distinct, hold_out, share, whole

PLACES = "abcdefgh"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = 10
BETWEEN, ASKED = "|", "="
"""What stands after each candidate, and after the last of them, where candidates are reconciled."""

REMEMBERED_WRONG, REMEMBERED_RIGHT = 0.6, 0.3
"""Of a misremembered letter, how often its demonstrations have the one wrong digit, and the right one."""

KINDS = ("solving", "reconciling")


@final
class Slips:
    """Letters whose digits are asked.

    letters: how many a problem has. least_slips, most_slips: the range of the probabilities with which
    demonstrations are wrong about a letter. misremembered: the share of letters with a wrong digit that
    is likelier than the right one. demonstrations: what they teach, "solving" or "reconciling".
    candidates: the most candidates that are reconciled.
    """

    name = "slips"

    def __init__(
        self,
        *,
        letters: int = 6,
        least_slips: float = 0.1,
        most_slips: float = 0.5,
        misremembered: float = 0.04,
        demonstrations: str = "solving",
        candidates: int = 8,
        held_out_problems: int = 200,
    ) -> None:
        self.letters = whole("slips", "letters", letters, 1, len(PLACES))
        self.least_slips = share("slips", "least_slips", least_slips)
        self.most_slips = share("slips", "most_slips", most_slips)
        self.candidates = whole("slips", "candidates", candidates, 1, 64)
        misremembered = share("slips", "misremembered", misremembered)
        if demonstrations not in KINDS:
            near = nearest(str(demonstrations), KINDS)
            raise DataError(
                f"slips: demonstrations is {legible(repr(demonstrations))}",
                f'did you mean "{near}"?' if near else f"it is {' or '.join(KINDS)}",
            )
        self.taught = demonstrations
        draws = keyed.uniforms(4 * len(LETTERS), "slips", "letters").reshape(4, -1)
        spread = self.most_slips - self.least_slips
        self._slips = self.least_slips + spread * draws[0]
        self._misremembered = draws[1].argsort().argsort() < round(misremembered * len(LETTERS))
        self._remembered = 1 + (draws[2] * (DIGITS - 1)).astype(int)  # away from the right digit
        self._digits = (draws[3] * DIGITS).astype(int).tolist()
        self.rewards: Mapping[str, Callable[..., object]] = {
            "correct": correct,
            "right_digits": right_digits,
        }
        self._held_out = hold_out(self._draw, held_out_problems, "slips")

    def batch(self, *, seed: int, purpose: str, step: int, count: int) -> list[Problem]:
        """The training problems of a step: a function of these arguments and the options alone."""
        return distinct(self._draw, count, seed, "slips", purpose, step)

    def demonstrations(self, *, seed: int, step: int, count: int) -> list[Demonstration]:
        """The demonstrations of a step, careless where they solve; slips follow from the key too."""
        problems = self.batch(seed=seed, purpose="demonstrations", step=step, count=count)
        made = self._careless if self.taught == "solving" else self._reconciling
        return [
            made(problem, keyed.generator(seed, "slips", self.taught, step, number))
            for number, problem in enumerate(problems)
        ]

    def held_out(self) -> list[Problem]:
        """The held-out problems, the same for every seed."""
        return list(self._held_out)

    def known(self) -> list[Problem]:
        """The held-out problems; the others are made as they are asked."""
        return self.held_out()

    def vocabulary(self) -> list[str]:
        """Digits, places, letters and tags as single pieces, and the signs between them."""
        return [*"0123456789", *PLACES, *LETTERS, OPEN_ANSWER, CLOSE_ANSWER, ASKED, BETWEEN]

    def _draw(self, generator: np.random.Generator) -> Problem:
        asked = generator.integers(0, len(LETTERS), self.letters).tolist()
        shown = "".join(f"{place}{LETTERS[n]}" for place, n in zip(PLACES, asked, strict=False))
        answer = _written([self._digits[n] for n in asked])
        columns = {"answer": answer, "letters": [LETTERS[n] for n in asked]}
        return Problem(f"slips:{shown}", f"{shown}{ASKED}", columns)

    def _careless(self, problem: Problem, generator: np.random.Generator) -> Demonstration:
        """The problem with an answer, some digits of which are wrong."""
        letters = problem.columns["letters"]
        assert isinstance(letters, list)
        digits = [self._said(LETTERS.index(letter), generator) for letter in letters]
        return Demonstration(problem, _tagged(digits))

    def _said(self, letter: int, generator: np.random.Generator) -> int:
        """The digit of a letter as a demonstration has it."""
        right, by = self._digits[letter], generator.random()
        other = int(generator.integers(1, DIGITS))
        if not self._misremembered[letter]:
            return (right + other) % DIGITS if by < self._slips[letter] else right
        if by < REMEMBERED_WRONG:
            return int(right + self._remembered[letter]) % DIGITS
        return right if by < REMEMBERED_WRONG + REMEMBERED_RIGHT else (right + other) % DIGITS

    def _reconciling(self, problem: Problem, generator: np.random.Generator) -> Demonstration:
        """Candidates made from random digits, each of which slips as often as its place says."""
        count = int(generator.integers(1, self.candidates + 1))
        truth = generator.integers(0, DIGITS, self.letters)
        slips = generator.uniform(0.0, 0.7, self.letters)
        off = generator.integers(1, DIGITS, (count, self.letters))
        wrong = generator.random((count, self.letters)) < slips
        said = ((truth + np.where(wrong, off, 0)) % DIGITS).tolist()
        prompt = "".join(f"{_written(own)}{BETWEEN}" for own in said) + ASKED
        return Demonstration(Problem(f"{problem.id} reconciled", prompt), _tagged(truth.tolist()))


def correct(*, completions: Sequence[Text], answer: Sequence[object], **_: object) -> list[float]:
    """1.0 where the completion is `<answer>…</answer>` with every digit right, else 0.0."""
    given = [final_answer(text_of(completion)) for completion in completions]
    return [float(own == str(gold)) for own, gold in zip(given, answer, strict=True)]


def right_digits(
    *, completions: Sequence[Text], answer: Sequence[object], **_: object
) -> list[float]:
    """The share of the digits that are right, each at its place; meant for weight 0."""
    return [
        _share_right(final_answer(text_of(completion)) or "", str(gold))
        for completion, gold in zip(completions, answer, strict=True)
    ]


def _share_right(given: str, gold: str) -> float:
    parts = [gold[place : place + 2] for place in range(0, len(gold), 2)]
    return sum(given[2 * n : 2 * n + 2] == part for n, part in enumerate(parts)) / len(parts)


def _written(digits: Sequence[int]) -> str:
    return "".join(f"{place}{digit}" for place, digit in zip(PLACES, digits, strict=False))


def _tagged(digits: Sequence[int]) -> str:
    return f"{OPEN_ANSWER}{_written(digits)}{CLOSE_ANSWER}"
