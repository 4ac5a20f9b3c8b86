"""What reading and comparing an answer may cost, and the words for why it was not done.

Text of the model decides what is computed, so every cost is bounded before it is paid: characters,
tokens, depth of nesting, steps of arithmetic, the bits of an exact number and the exponent of a
rounded one. No clock is asked: the same two texts always end in the same verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LONGEST_TEXT = 1_000_000
"""Characters of a completion; in a longer one no answer is looked for."""

LONGEST_ANSWER = 1_000
"""Characters of an answer."""

MOST_TOKENS = 500
DEEPEST = 32
"""Levels of brackets, powers and functions inside each other."""

MOST_STEPS = 60_000
"""Steps of arithmetic in one comparison; a rounded step counts ten."""

MOST_BITS = 20_000
"""Of the numerator and the denominator of an exact number: six thousand digits."""

MOST_MAGNITUDE = 100_000
"""The largest |log2| of a rounded number."""

Fault = Literal["words", "form", "cost"]
"""words: prose, compared as text alone. form: mathematics that the grammar does not know.
cost: over one of the bounds of this file."""


class UnreadError(Exception):
    """A text that is not read as mathematics, and why."""

    def __init__(self, fault: Fault, reason: str) -> None:
        super().__init__(reason)
        self.fault = fault
        self.reason = reason


class CostError(Exception):
    """A number or a comparison over the bounds; nothing of it was computed."""


class NotExactError(Exception):
    """A value that is no rational number, or for which the rational arithmetic has no rule."""


class UndefinedError(Exception):
    """A division by zero, or a function outside of its domain."""


@dataclass(slots=True)
class Budget:
    """The steps that are left for one comparison."""

    left: int = MOST_STEPS

    def spend(self, steps: int = 1) -> None:
        """Raise CostError where nothing is left."""
        self.left -= steps
        if self.left < 0:
            raise CostError(f"comparing takes more than {MOST_STEPS} steps")
