"""Values as JSON with the exact name of each type: how inputs go into a process and answers come out.

This file is read by the judge, and is also given to the processes in the sandbox, so it imports
nothing of Cohort. A node is a list: a type's name and what it takes to build the value. No node holds a
JSON number, so that neither precision nor the parser's limits matter: integers are written in base 16,
floats as `float.hex` does. Values that are not plain data are `opaque`: their type and truth is all
that is told.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:  # without the import, which would cost every process some milliseconds
    from typing import Any

DEPTH, NODES = 64, 200_000
"""What is deeper or larger than this is no answer."""

SEQUENCES = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
PLAIN = (bool, int, float, complex, str, bytes, bytearray, *SEQUENCES.values(), dict)


class TooMuchError(Exception):
    """A value that is too deep or too large to be told."""


class Opaque:
    """What stands for a value that was not told; equal to nothing but itself."""

    def __init__(self, name: str, truth: bool) -> None:
        self.name, self.truth = name, truth

    def __bool__(self) -> bool:
        return self.truth is True

    def __repr__(self) -> str:
        return f"<{self.name}>"


def encode(value: object) -> list[Any]:
    """The node of a value. Data of a subclass is told as that of its base, marked `sub`."""
    return _encode(value, DEPTH, [NODES])


def _encode(value: Any, depth: int, room: list[int]) -> list[Any]:
    room[0] -= 1
    if depth < 0 or room[0] < 0:
        raise TooMuchError
    if value is None:
        return ["none"]
    own = type(value)
    for kind in PLAIN:
        if kind in own.__mro__:
            node = _plain(kind, value, depth, room)
            return node if own is kind else ["sub", own.__name__, node]
    return ["opaque", own.__name__, bool(value)]


def _plain(kind: Any, value: Any, depth: int, room: list[int]) -> list[Any]:
    """The base's own methods are asked, whatever a subclass made of them."""
    name = kind.__name__
    if kind is dict:
        pairs = dict.items(value)
        return [
            name,
            [[_encode(k, depth - 1, room), _encode(v, depth - 1, room)] for k, v in pairs],
        ]
    if name in SEQUENCES:
        return [name, [_encode(item, depth - 1, room) for item in kind.__iter__(value)]]
    if kind is complex:
        return [name, complex.real.__get__(value).hex(), complex.imag.__get__(value).hex()]
    if kind is int:
        return [name, format(int.__index__(value), "x")]
    if kind is bool:
        return [name, value]
    return [name, kind.__str__(value) if kind is str else kind.hex(value)]


def decode(node: list[Any]) -> Any:
    """The value of a node that has been checked; a subclass becomes its base."""
    name = node[0]
    if name == "none":
        return None
    if name == "opaque":
        return Opaque(node[1], node[2])
    if name == "sub":
        return decode(node[2])
    if name == "dict":
        return {decode(key): decode(value) for key, value in node[1]}
    if name in SEQUENCES:
        return SEQUENCES[name](decode(item) for item in node[1])
    return _scalar(*node)


def _scalar(name: str, told: Any, imaginary: str = "") -> Any:
    if name == "int":
        return int(told, 16)
    if name == "float":
        return float.fromhex(told)
    if name == "complex":
        return complex(float.fromhex(told), float.fromhex(imaginary))
    if name in ("bytes", "bytearray"):
        return (bytes if name == "bytes" else bytearray).fromhex(told)
    return told


def line_of(message: object) -> bytes:
    """A message as one line of ASCII."""
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"
