"""Reading the JSON of a model folder that nobody here wrote: small, flat, and of one meaning.

Refused: what is no regular file (opening a pipe would wait for ever), files larger than they need
to be, deep nesting, NaN, a key that has two values, and anything but an object at the top.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cohort.errors import ModelError

DEEPEST = 64
"""Nested lists and objects; transformers' own go to about eight."""
REPAIR = "replace the file with the original, or save the model again"


def read_object(path: Path, most_bytes: int) -> dict[str, Any]:
    """The object that a JSON file holds. Raises ModelError for everything else."""
    return parse_object(read_text(path, most_bytes), str(path))


def read_text(path: Path, most_bytes: int) -> str:
    """A file's text, if it is a regular file of a bearable size in UTF-8."""
    size = file_size(path)
    if size > most_bytes:
        raise ModelError(
            f"{path} has {size:,} bytes, at most {most_bytes:,} are read",
            "is it the file that its name says?",
        )
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is not UTF-8: byte {error.start}", REPAIR) from error
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}", REPAIR) from error


def file_size(path: Path) -> int:
    """The bytes of a regular file. Raises ModelError for pipes, devices, folders, broken links."""
    try:
        status = path.stat()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}", REPAIR) from error
    if not stat.S_ISREG(status.st_mode):
        raise ModelError(f"{path} is not a regular file", REPAIR)
    return status.st_size


def parse_object(text: str, where: str) -> dict[str, Any]:
    """Text as one JSON object; `where` names it in a refusal."""
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError:
        raise ModelError(f"{where} is nested too deeply to be read", REPAIR) from None
    except ValueError as error:
        reason = str(error).splitlines()[0][:200]
        raise ModelError(f"{where} is not the JSON that it should be: {reason}", REPAIR) from error
    if not isinstance(value, dict):
        raise ModelError(f"{where} holds {shown(value)}, an object is needed", REPAIR)
    if _deeper_than(value, DEEPEST):
        raise ModelError(f"{where} is nested more than {DEEPEST} deep", REPAIR)
    return value


def shown(value: object, most: int = 60) -> str:
    """A foreign value as one short line without control characters."""
    text = ascii(value)
    return text if len(text) <= most else text[: most - 3] + "..."


def entries(value: object, path: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every key of nested objects, with where it is: (key, "text_config.key", value)."""
    if isinstance(value, dict):
        for key, inner in value.items():
            place = f"{path}.{key}" if path else key
            yield key, place, inner
            yield from entries(inner, place)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from entries(inner, f"{path}.{number}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: dict[str, Any] = {}
        for key, value in pairs:
            if seen.setdefault(key, value) != value:
                raise ValueError(f"the key {shown(key)} has two values")
    return made


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _deeper_than(value: object, most: int) -> bool:
    """Whether lists and objects are nested in more than `most` levels; level by level."""
    level: list[object] = [value]
    for _ in range(most):
        deeper: list[object] = []
        for item in level:
            inner = item.values() if isinstance(item, dict) else item
            assert isinstance(inner, (list, type({}.values()))), type(inner)
            deeper.extend(part for part in inner if isinstance(part, (dict, list)))
        if not deeper:
            return False
        level = deeper
    return True
