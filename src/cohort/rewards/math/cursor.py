"""A place in a row of tokens: what stands there, and how deep in brackets it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction

from cohort.rewards.math.bounds import DEEPEST, UnreadError
from cohort.rewards.math.tokens import Token
from cohort.rewards.math.tree import Number

LONGEST_PRODUCT = 3
"""Letters of a word that may be symbols side by side; a longer one is a word."""

LARGEST_POWER_OF_TEN = 4_000
"""In a number such as `1.5e3`."""


class Cursor:
    """Reads tokens from left to right; what is taken is behind it. A grammar is built on it."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = [letter for token in tokens for letter in _letters(token)]
        self.place = 0
        self.depth = 0

    @property
    def token(self) -> Token | None:
        """The next token; None at the end."""
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def at(self, *texts: str) -> bool:
        """Whether a sign or a command stands here that is one of these."""
        token = self.token
        return token is not None and token.kind in ("sign", "command") and token.text in texts

    def take(self, *texts: str) -> str:
        """The text of the next token where it is one of these, which is then behind us."""
        if not self.at(*texts):
            return ""
        self.place += 1
        return self.tokens[self.place - 1].text

    def expect(self, *texts: str) -> str:
        """What `take` gives. Raises UnreadError where none of these stands here."""
        return self.take(*texts) or self.fail()

    def fail(self) -> str:
        """Raise what `refusal` says."""
        raise self.refusal()

    def refusal(self) -> UnreadError:
        """Why the next token cannot be read."""
        token = self.token
        if token is None:
            return UnreadError("form", "it ends too early")
        if token.kind == "word":
            return UnreadError("words", f"{token.text[:20]!r} is a word")
        return UnreadError("form", f"{token.text[:20]!r} is not read at this place")

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """One level further down. Raises UnreadError where that is too deep."""
        if self.depth == DEEPEST:
            raise UnreadError("cost", f"it is nested more than {DEEPEST} levels deep")
        self.depth += 1
        yield
        self.depth -= 1

    def number(self) -> Number:
        """The number that stands here."""
        token = self.token
        if token is None or token.kind != "number":
            raise self.refusal()
        self.place += 1
        return number_of(token.text)


def _letters(token: Token) -> list[Token]:
    """A short word as the symbols that may stand side by side in it; any other token itself."""
    if token.kind != "word" or len(token.text) > LONGEST_PRODUCT:
        return [token]
    return [Token("letter", letter, token.spaced) for letter in token.text]


def number_of(text: str) -> Number:
    """A numeral as a number; the power of ten is bounded. Raises UnreadError."""
    digits, _, power = text.lower().partition("e")
    if power and (len(power) > 6 or abs(int(power)) > LARGEST_POWER_OF_TEN):
        raise UnreadError("cost", f"the power of ten {power[:20]} is too large")
    _, point, after = digits.partition(".")
    value = Fraction(digits.rstrip(".") or "0") * Fraction(10) ** int(power or "0")
    return Number(value, places=len(after) if point and not power and after else None)
