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

SIMPLE = (str, int, float, bool, type(None))


class GarbledError(Exception):
    """Bytes that are no message."""


def packed(message: object) -> bytes:
    """A message as it is sent."""
    data = json.dumps(message).encode()
    return LENGTH.pack(len(data)) + data


class Inbox:
    """Bytes as they arrive, and the messages that they make."""

    def __init__(self) -> None:
        self._data = bytearray()

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
            message = json.loads(data)
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
    if kind is list:
        return [carried(one) for one in value]  # type: ignore[attr-defined]
    if isinstance(value, Mapping):
        if all(type(key) is str for key in value) and "~" not in value:
            return {key: carried(one) for key, one in value.items()}
        return {"~": "dict", "is": [[carried(key), carried(one)] for key, one in value.items()]}
    if kind in (tuple, set, frozenset):
        return {"~": kind.__name__, "is": [carried(one) for one in value]}  # type: ignore[attr-defined]
    if kind is bytes:
        return {"~": "bytes", "is": base64.b64encode(value).decode()}  # type: ignore[arg-type]
    if kind in _BY_TEXT:
        text = value.isoformat() if hasattr(value, "isoformat") else str(value)
        return {"~": kind.__name__, "is": text}
    if hasattr(value, "tolist") and kind.__module__.partition(".")[0] == "numpy":
        return carried(value.tolist())
    raise TypeError(f"a value of type {kind.__name__}")


def arrived(value: Any) -> Any:
    """What was carried."""
    if isinstance(value, list):
        return [arrived(one) for one in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("~")
    if kind is None:
        return {key: arrived(one) for key, one in value.items()}
    inner = value["is"]
    if kind == "dict":
        return {arrived(key): arrived(one) for key, one in inner}
    if kind == "bytes":
        return base64.b64decode(inner)
    made = {"tuple": tuple, "set": set, "frozenset": frozenset}.get(kind)
    return made(arrived(inner)) if made else _TEXTS[kind](inner)


_BY_TEXT = {
    datetime.datetime: datetime.datetime.fromisoformat,
    datetime.date: datetime.date.fromisoformat,
    datetime.time: datetime.time.fromisoformat,
    decimal.Decimal: decimal.Decimal,
    fractions.Fraction: fractions.Fraction,
}
_TEXTS: dict[str, Any] = {kind.__name__: made for kind, made in _BY_TEXT.items()}
