"""The task "sums": sums of two-digit numbers, worked out line by line, each line checkable.

A line adds the next number to the total so far; numbers are spelled in single digits, so a small model
has to carry, and does so wrongly now and then. `right_steps` pays for each line by itself, which is what
process supervision learns from; the rule `correct` reads the answer alone. Demonstrations can leave the lines
out, leave the tags out, and change to German and back: what a cold start and the rewards for format
and language are there to mend.

    prompt          47+85+36=
    worked out      <think>47 and 85 are 132
                    132 and 36 are 168</think><answer>168</answer>
    without tags    47 and 85 are 132
                    132 und 36 sind 168
                    168
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import final

import numpy as np

from cohort.data import keyed
from cohort.data.records import Demonstration, Problem
from cohort.rewards.reading import (
    CLOSE_ANSWER,
    CLOSE_THINK,
    OPEN_ANSWER,
    OPEN_THINK,
    Text,
    text_of,
)
from cohort.tasks.generated import Drawn, share, whole

SMALLEST_OPERAND = 10

TAGS = (OPEN_THINK, CLOSE_THINK, OPEN_ANSWER, CLOSE_ANSWER)
ENGLISH, GERMAN = (" and ", " are "), (" und ", " sind ")
"""The words between the numbers of a line, with the spaces around them."""


@final
class Sums(Drawn):
    """Sums of whole numbers from 10 to `largest`.

    numbers: how many numbers a sum has. largest: the largest of them.
    worked_share: the share of the demonstrations that work the sum out, line by line.
    tagged_share: the share of them that put thought and answer into tags.
    german_share: the share of their lines that are in German.
    """

    name = "sums"

    def __init__(
        self,
        *,
        numbers: int = 4,
        largest: int = 99,
        worked_share: float = 1.0,
        tagged_share: float = 1.0,
        german_share: float = 0.0,
        held_out_problems: int = 200,
    ) -> None:
        self.numbers = whole("sums", "numbers", numbers, 2, 20)
        self.largest = whole("sums", "largest", largest, SMALLEST_OPERAND + 1, 999)
        self.worked_share = share("sums", "worked_share", worked_share)
        self.tagged_share = share("sums", "tagged_share", tagged_share)
        self.german_share = share("sums", "german_share", german_share)
        self.rewards: Mapping[str, Callable[..., object]] = {"right_steps": right_steps}
        super().__init__(held_out_problems)

    def demonstrations(self, *, seed: int, step: int, count: int) -> list[Demonstration]:
        """The demonstrations of a step, all of them right; their styles follow from the key too."""
        problems = self.batch(seed=seed, purpose="demonstrations", step=step, count=count)
        draws = keyed.uniforms(count * (self.numbers + 1), seed, "sums", "style", step)
        styles = np.asarray(draws).reshape(count, -1)
        return [
            Demonstration(problem, self._completion(problem, style))
            for problem, style in zip(problems, styles, strict=True)
        ]

    def vocabulary(self) -> list[str]:
        """Digits, tags, and the words of a line with their spaces as single pieces."""
        return [*"0123456789", *TAGS, *ENGLISH, *GERMAN, "+", "=", "\n"]

    def _draw(self, generator: np.random.Generator) -> Problem:
        drawn = generator.integers(SMALLEST_OPERAND, self.largest + 1, size=self.numbers)
        terms = [int(term) for term in drawn]
        shown = "+".join(map(str, terms))
        return Problem(f"sums:{shown}", f"{shown}=", {"answer": str(sum(terms)), "terms": terms})

    def _completion(self, problem: Problem, style: np.ndarray) -> str:
        """A demonstration: whether it is worked out, has tags, and the language of each line."""
        worked, tagged, *german = style
        terms, answer = problem.columns["terms"], problem.columns["answer"]
        assert isinstance(terms, list)
        lines = [
            _line(terms, place, GERMAN if by < self.german_share else ENGLISH)
            for place, by in enumerate(german, start=1)
            if worked < self.worked_share
        ]
        if tagged < self.tagged_share:
            thought = "\n".join(lines)
            return f"{OPEN_THINK}{thought}{CLOSE_THINK}{OPEN_ANSWER}{answer}{CLOSE_ANSWER}"
        return "\n".join([*lines, str(answer)])


def right_steps(
    *, completions: Sequence[Text], terms: Sequence[Sequence[int] | None], **_: object
) -> list[list[tuple[int, float]] | None]:
    """A reward for each line: 1.0 for a right one, else 0.0; the last one is the answer.

    The k-th line is right if it is the k-th addition of this sum, with the total that is true there,
    in either language: after a mistake no line is right, as none leads to the answer any more
    (Math-Shepherd, arXiv:2312.08935). The answer is right if it is the sum. None where a problem
    is no sum, or an answer has no line.
    """
    return [
        None if own is None else _judged(text_of(text), own) or None
        for text, own in zip(completions, terms, strict=True)
    ]


def _judged(text: str, terms: Sequence[int]) -> list[tuple[int, float]]:
    for tag in TAGS:  # they end lines, too
        text = text.replace(tag, "\n" * len(tag))
    pieces = list(re.finditer(r"[^\n]+", text))
    if not pieces:
        return []
    *lines, answer = pieces
    judged = [
        (line.end(), float(place < len(terms) and line.group() in _right(terms, place)))
        for place, line in enumerate(lines, start=1)
    ]
    # What closes the answer belongs to its step.
    return [*judged, (len(text), float(answer.group() == str(sum(terms))))]


def _right(terms: Sequence[int], place: int) -> tuple[str, str]:
    return _line(terms, place, ENGLISH), _line(terms, place, GERMAN)


def _line(terms: Sequence[int], place: int, words: tuple[str, str]) -> str:
    """The line that adds the number at `place` to those before it."""
    before = sum(terms[:place])
    return f"{before}{words[0]}{terms[place]}{words[1]}{before + terms[place]}"
