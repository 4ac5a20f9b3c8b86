"""A group's reference: the text that stands for a label, or why there is none.

It travels to the rewards as a column of the problem, and so into the run's store and its journal.
What there is no reference for has no reward: abstained where nothing broke, failed where something
did, and never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cohort.rewards.math.reward import equal_mathematics, final
from cohort.rewards.outcome import Failed, Outcome, Scored, Unscorable, as_kind
from cohort.rewards.reading import CLOSE_THINK, OPEN_THINK

COLUMN = "reference"
"""The name of the column."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What is said of one group.

    text: the reference. equality: when an answer is the same. criteria: yes-or-no questions about an
    answer, where they were asked for. missing: why there is no reference, where there is none;
    without_criteria: the same of the criteria.
    """

    text: str = ""
    equality: str = "mathematics"
    criteria: tuple[str, ...] = ()
    missing: Unscorable | Failed | None = None
    without_criteria: Unscorable | Failed | None = None

    def as_column(self) -> dict[str, Any]:
        """It as JSON can hold it."""
        found: dict[str, Any] = {"text": self.text, "equality": self.equality}
        if self.criteria:
            found["criteria"] = list(self.criteria)
        for name in ("missing", "without_criteria"):
            why = getattr(self, name)
            if why is not None:
                found[name] = [getattr(why, "kind", ""), why.reason]
        return found

    @classmethod
    def of(cls, column: Mapping[str, Any]) -> Reference:
        """The reference that `as_column` told of."""
        return cls(
            text=str(column["text"]),
            equality=str(column["equality"]),
            criteria=tuple(column.get("criteria", ())),
            missing=_why(column.get("missing")),
            without_criteria=_why(column.get("without_criteria")),
        )


def _why(told: list[str] | None) -> Unscorable | Failed | None:
    if told is None:
        return None
    kind, reason = told
    return Failed(as_kind(kind), reason) if kind else Unscorable(reason)


def after_thinking(text: str) -> str:
    """What follows the thinking; nothing where it never ends."""
    after = text.rpartition(CLOSE_THINK)[2]
    return "" if OPEN_THINK in after else after.strip()


def compared(text: str, gold: str, equality: str) -> Outcome:
    """1 where the final answer of a text is that of the gold one, 0 where it is another or none."""
    if equality == "mathematics":
        (said,) = equal_mathematics(completions=[text], answer=[gold])
        return Scored(said) if isinstance(said, float) else said
    own, other = spelled(final(text)), spelled(gold)
    return Scored(float(own == other and bool(own)))


def spelled(answer: str | None) -> str:
    """An answer as text: single spaces, none around it."""
    return " ".join((answer or "").split())
