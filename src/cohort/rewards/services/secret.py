"""A key that a service asks for: named in a recipe, kept in the environment, shown nowhere.

A recipe holds the name of an environment variable and never the key: recipes are written into run
folders, reports and issues. What is read here prints as `***`, is not pickled, and is revealed in one
place, the header of a request.
"""

from __future__ import annotations

import os
import re
from typing import NoReturn

from cohort.errors import RewardError

VARIABLE = re.compile("[A-Z_][A-Z0-9_]{0,63}")
PIECE = 6
"""A text that repeats so many characters of a key in a row is not shown."""


class Secret:
    """A text that no print, no log and no traceback shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def is_in(self, text: str) -> bool:
        """Whether a text holds this one, or a piece of it."""
        ends = range(PIECE, len(self._text) + 1)
        return any(self._text[end - PIECE : end] in text for end in ends)

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret stays in its process")


def key_from(variable: str) -> Secret | None:
    """The key that an environment variable holds; None where no variable is named.

    Raises RewardError; its message repeats neither the name, which may be a key that was put in the
    wrong place, nor what the variable holds.
    """
    if not variable:
        return None
    if not isinstance(variable, str) or not VARIABLE.fullmatch(variable):
        raise RewardError(
            "key_variable is no name of an environment variable: capitals, digits and _",
            "name the variable that holds the key; the key itself never stands in a recipe",
        )
    text = os.environ.get(variable, "").strip()
    if not text:
        raise RewardError(
            "the environment variable that key_variable names is not set, or empty",
            "set it in the shell that starts the command",
        )
    if not (text.isascii() and text.isprintable()) or " " in text or len(text) < PIECE:
        raise RewardError(
            "the environment variable that key_variable names holds no key: a key is one word of "
            f"at least {PIECE} printable ASCII characters",
            "set it again, without line breaks and quotes",
        )
    return Secret(text)
