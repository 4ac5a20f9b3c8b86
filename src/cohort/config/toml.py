"""TOML in: a file or a text as plain tables, and what no table of a recipe can hold.

tomllib reads. Refused beside what it refuses: whole numbers of more than 64 bits, NUL characters,
tables nested without end, and files that are too large or no text. A refusal names the line where
it is known, and else the option.
"""

from __future__ import annotations

import re
import tomllib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cohort.config.lookup import Location, shown
from cohort.errors import RecipeError, legible

MOST_BYTES = 1_000_000
"""The largest recipe that is read."""

DEEPEST = 20
"""How deep tables may be nested; a recipe of every option has 5."""

HINTS = {
    "Invalid value": "text values need quotes",
    "Cannot overwrite": "an option is given once; a table that is a value cannot be added to",
    "Cannot declare": "a table is opened once; a further stage begins with [[stage]]",
    "Found invalid character '\\r'": "end lines with a line feed, as editors on Unix do",
}
"""What tomllib begins with -> what to do."""

_WHOLE = range(-(2**63), 2**63)
_DIGITS = re.compile(r"[0-9_]{4300}")
# tomllib needs the square of a dotted key's parts; `a.a.a...` of half a megabyte took it for ever.
_LONG_KEY = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){64}""")


class UnfitError(ValueError):
    """TOML that is well formed and yet nothing for a recipe; the text says what it is."""


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a file. Raises RecipeError with the file, and the line where it is known."""
    text = _text(path)
    try:
        return parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        reason = _with_line(error, text)
        raise RecipeError(f"{path} is not TOML: {reason}", _hint(reason)) from None
    except UnfitError as error:
        raise RecipeError(
            f"{path}: {error}", "compare it with a recipe that works: cohort recipes copy chain"
        ) from None


def parse_toml(text: str) -> dict[str, Any]:
    """The tables of a text. Raises tomllib.TOMLDecodeError, or UnfitError for what no recipe holds."""
    long_key = _LONG_KEY.search(text)
    if long_key:
        raise UnfitError(f"line {_line(text, long_key.start())} has a key of more than 60 parts")
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise UnfitError(f"line {_deepest_line(text)} is nested too deep") from None
    except ValueError:  # what int() says of more digits than it reads
        found = _DIGITS.search(text)
        where = f"line {_line(text, found.start())}" if found else "a number"
        raise UnfitError(f"{where} has more digits than a number of 64 bits") from None
    for place, value in _all_values(tables):
        _check_value(place, value)
    return tables


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}", "name a .toml file") from None
    if len(content) > MOST_BYTES:
        raise RecipeError(
            f"{path} has more than {MOST_BYTES:,} bytes: it is not taken for a recipe",
            "a recipe is a short TOML file; problems belong into a file of their own",
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RecipeError(
            f"{path}, line {line} is not UTF-8 text: byte 0x{content[error.start]:02x}",
            "save the file as UTF-8",
        ) from None


def _with_line(error: tomllib.TOMLDecodeError, text: str) -> str:
    last = max(1, len(text.splitlines()))
    return legible(str(error).replace("at end of document", f"at the end, line {last}"), 200)


def _hint(reason: str) -> str:
    known = [hint for begin, hint in HINTS.items() if reason.startswith(begin)]
    return known[0] if known else "a quote, a bracket or an equals sign may be missing before it"


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


def _deepest_line(text: str) -> int:
    counts = [line.count("[") + line.count("{") for line in text.split("\n")]
    return counts.index(max(counts)) + 1


def _all_values(tables: dict[str, Any]) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """Every value with its place, the outer ones first; not recursive, for it meets the deepest."""
    waiting: deque[tuple[tuple[str | int, ...], object]] = deque([((), tables)])
    while waiting:
        place, value = waiting.popleft()
        yield place, value
        if isinstance(value, dict):
            waiting.extend(((*place, key), inner) for key, inner in value.items())
        elif isinstance(value, list):
            waiting.extend(((*place, i), inner) for i, inner in enumerate(value))


def _check_value(place: Location, value: object) -> None:
    if len(place) > DEEPEST:
        raise UnfitError(f"{shown(place[:4])}... is nested more than {DEEPEST} deep")
    if isinstance(value, int) and value not in _WHOLE:
        raise UnfitError(f"{shown(place)} is a whole number of more than 64 bits")
    texts = (value, place[-1] if place else "")
    if any(isinstance(text, str) and "\0" in text for text in texts):
        raise UnfitError(f"{shown(place)} has a NUL character in it")
