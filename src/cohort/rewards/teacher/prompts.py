"""What an anchor is asked: to make one answer out of several, and criteria out of one.

The paper (arXiv:2509.14234) has a template for free answers and one for reasoning; their wording is not
public, so these words are ours. The question is not among them unless it is asked for, whatever
chat template comes around them. What candidates say is quoted, and their end is what is kept of those
that are too long: there the answer stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cohort.rewards.math.reward import final
from cohort.rewards.teacher.reference import after_thinking

SYNTHESIS = """\
Below are several answers to one and the same question, each written without knowing of the others. Any of \
them may be wrong or incomplete, also where many agree.

{candidates}
Write one answer to that question: weigh where the answers differ, keep what holds, mend what is wrong and \
add what one of them has and the others lack. Speak of the matter and not of the answers. End with \
the final answer, in the form in which they give theirs."""

WITH_QUESTION = "The question:\n\n{question}\n\n" + SYNTHESIS
CANDIDATE = "Answer {number}:\n{text}\n\n"

RUBRIC = """\
Below is an answer that is taken for a good one. Write down what makes an answer to the same question good: \
{criteria} or more criteria, each specific, each to be met or not by looking at another answer \
alone, none repeating another.

{reference}

Reply with XML and nothing else: <rubric><criterion>...</criterion>...</rubric>"""

CHOICE = """\
Below are several answers to one and the same question.

{candidates}
Which of them is the best? Reply with its number and nothing else."""

CUT = "[...] "
"""Stands before what is left of a candidate that was too long."""

FEWEST = 8
"""The fewest pieces of a candidate that are worth showing."""


class Pieces(Protocol):
    """How long a text is, and its end."""

    def count(self, text: str) -> int:
        """Its length in tokens, or in characters."""

    def end(self, text: str, length: int) -> str:
        """The end of a text, at most so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How an anchor is asked. shown: what of each answer it sees."""

    template: str = ""
    candidate: str = CANDIDATE
    include_question: bool = False
    shown: str = "whole"

    def bare(self, answers: Sequence[str]) -> list[str]:
        """What is shown of answers; those of which there is nothing to show are left out."""
        return [text for text in map(self._of, answers) if text.strip()]

    def synthesis(
        self, shown: Sequence[str], question: str, pieces: Pieces, budget: int | None
    ) -> str | None:
        """The question for a reference; None where the answers, cut fairly, do not fit the budget.

        budget: None for all of the answers, however long they are.
        """
        fitting = list(shown) if budget is None else shared_out(shown, pieces, budget)
        if not fitting:
            return None
        template = self.template or (WITH_QUESTION if self.include_question else SYNTHESIS)
        return filled(template, candidates=self.listed(fitting), question=question)

    def listed(self, answers: Sequence[str]) -> str:
        """Answers one after the other, each in its form."""
        return "".join(
            filled(self.candidate, number=str(number), text=text)
            for number, text in enumerate(answers, start=1)
        )

    def before(self, others: Sequence[str]) -> str:
        """Answers, and the beginning of the form of one more that would follow them."""
        opened = filled(self.candidate, number=str(len(others) + 1)).partition("{text}")[0]
        return self.listed(others) + opened

    def _of(self, answer: str) -> str:
        if self.shown == "answer":
            return final(answer) or ""
        return after_thinking(answer) if self.shown == "after-thinking" else answer


def shared_out(texts: Sequence[str], pieces: Pieces, budget: int) -> list[str]:
    """Texts that take at most `budget` pieces together, the long ones cut to one and the same length.

    Short ones keep all of theirs, and what they leave is shared by the others (max-min fairness).
    Nothing where the share would be under `FEWEST` pieces.
    """
    lengths = [pieces.count(text) for text in texts]
    most = fair_share(lengths, budget)
    if any(length > most for length in lengths) and most < FEWEST:
        return []
    mark = pieces.count(CUT)
    return [
        text if length <= most else CUT + pieces.end(text, max(1, most - mark))
        for text, length in zip(texts, lengths, strict=True)
    ]


def fair_share(lengths: Sequence[int], budget: int) -> int:
    """The most that each may have so that the sum of min(length, share) is within the budget.

    It is the length of the longest where everything fits.
    """
    left, waiting = budget, len(lengths)
    for length in sorted(lengths):
        if length * waiting > left:
            return max(0, left // waiting)
        left, waiting = left - length, waiting - 1
    return max(lengths, default=0)


def filled(template: str, **values: str) -> str:
    """A template with values in the places of `{name}`; braces in values and elsewhere are left alone."""
    parts: list[str] = []
    rest = template
    while True:
        places = {name: rest.find(f"{{{name}}}") for name in values}
        found = {name: place for name, place in places.items() if place >= 0}
        if not found:
            return "".join([*parts, rest])
        name = min(found, key=found.__getitem__)
        parts += [rest[: found[name]], values[name]]
        rest = rest[found[name] + len(name) + 2 :]
