"""Messages between processes: four bytes of length, then JSON. Nothing that is received is run.

JSON keeps numbers, texts, lists and objects. Problems hold other values too, so what goes to a
worker is `carried`: tuples, bytes, dates, exact numbers, arrays and sets have an object with the key
`~` in its place, and `arrived` makes them again. What comes back from a worker is JSON alone.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import fractions
import json
import struct
from collections.abc import Mapping
from typing import Any

LENGTH = struct.Struct(">I")
MOST_BYTES = 256 << 20
"""A longer message is taken for garbage."""

SIMPLE = frozenset({str, int, float, bool, type(None)})


class GarbledError(Exception):
    """Bytes that are no message."""


def packed(message: object) -> bytes:
    """A message as it is sent."""
    data = json.dumps(message).encode()
    return LENGTH.pack(len(data)) + data


class Inbox:
    """Bytes as they arrive, and the messages that they make.

    carried: whether they hold values that were `carried`, which are made again.
    """

    def __init__(self, *, carried: bool = False) -> None:
        self._data = bytearray()
        self._hook = _arrived if carried else None

    def add(self, data: bytes) -> None:
        """Some bytes more."""
        self._data += data

    def next(self) -> dict[str, Any] | None:
        """The first message, where it is all there. Raises GarbledError for what is none."""
        if len(self._data) < LENGTH.size:
            return None
        (length,) = LENGTH.unpack_from(self._data)
        if length > MOST_BYTES:
            raise GarbledError(f"a message of {length} bytes")
        if len(self._data) < LENGTH.size + length:
            return None
        data = bytes(self._data[LENGTH.size : LENGTH.size + length])
        del self._data[: LENGTH.size + length]
        try:
            message = json.loads(data, object_hook=self._hook)
        except (ValueError, RecursionError) as error:
            raise GarbledError(str(error)[:100]) from error
        if not isinstance(message, dict):
            raise GarbledError("no object")
        return message


def carried(value: object) -> Any:
    """A value as JSON that `arrived` makes it from. Raises TypeError for a value of another type."""
    kind = type(value)
    if kind in SIMPLE:
        return value
    if isinstance(value, Mapping):
        return _carried_mapping(value)
    match value:
        case list():
            plain = SIMPLE.issuperset(map(type, value))
            return value if plain else [carried(one) for one in value]
        case tuple() | set() | frozenset():
            return {"~": _nearest(kind), "is": [carried(one) for one in value]}
        case bytes():
            return {"~": "bytes", "is": base64.b64encode(value).decode()}
    if kind in _BY_TEXT:
        text = value.isoformat() if hasattr(value, "isoformat") else str(value)
        return {"~": kind.__name__, "is": text}
    if hasattr(value, "tolist") and kind.__module__.partition(".")[0] == "numpy":
        return carried(value.tolist())
    raise TypeError(f"a value of type {kind.__name__}")


def _nearest(kind: type) -> str:
    """The name of the plain type that a named tuple, for example, is one of."""
    return next(base.__name__ for base in (tuple, set, frozenset) if issubclass(kind, base))


def _carried_mapping(value: Mapping[Any, object]) -> Any:
    if all(type(key) is str for key in value) and "~" not in value:
        return {key: carried(one) for key, one in value.items()}
    return {"~": "dict", "is": [[carried(key), carried(one)] for key, one in value.items()]}


def arrived(text: str) -> Any:
    """What was carried in this JSON."""
    return json.loads(text, object_hook=_arrived)


def _arrived(value: dict[str, Any]) -> Any:
    """The value that an object stands for; what is within it is there already."""
    kind = value.get("~")
    if kind is None:
        return value
    inner = value["is"]
    if kind == "dict":
        return dict(inner)
    if kind == "bytes":
        return base64.b64decode(inner)
    made = {"tuple": tuple, "set": set, "frozenset": frozenset}.get(kind)
    return made(inner) if made else _TEXTS[kind](inner)


_BY_TEXT = {
    datetime.datetime: datetime.datetime.fromisoformat,
    datetime.date: datetime.date.fromisoformat,
    datetime.time: datetime.time.fromisoformat,
    decimal.Decimal: decimal.Decimal,
    fractions.Fraction: fractions.Fraction,
}
_TEXTS: dict[str, Any] = {kind.__name__: made for kind, made in _BY_TEXT.items()}
