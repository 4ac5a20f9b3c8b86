"""What a candidate's process said, read as hostile text, and whether it is what was expected.

A message is checked against the form that `wire` writes before anything is made of it, and it is compared
as text and lists of Python's own types: no value of the candidate is built here, so none is hashed,
called or asked whether it is equal. Two measures: `exact` holds types apart (1 is not True nor 1.0, a
tuple is no list); without it values are equal as Python's `==` says of plain data.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from cohort.rewards.code.wire import DEPTH, NODES, SEQUENCES, line_of

LONGEST_NAME = 200
_INT = re.compile(r"-?(?:0|[1-9a-f][0-9a-f]*)", re.ASCII)
_FLOAT = re.compile(r"-?(?:0x[01]\.[0-9a-f]{1,13}p[-+][0-9]{1,4}|inf)|nan", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-f]{2})*", re.ASCII)


class MalformedError(Exception):
    """Bytes that the driver would not have written."""


def parsed(line: bytes) -> list[Any]:
    """A message: a JSON array, without numbers, constants or objects. Raises MalformedError."""
    try:
        message = json.loads(
            line.decode("ascii"),
            parse_int=_refused,
            parse_float=_refused,
            parse_constant=_refused,
            object_pairs_hook=_refused,
        )
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"not a message: {type(error).__name__}") from error
    if not isinstance(message, list):
        raise MalformedError("not a message")
    return message


def _refused(_: object) -> object:
    raise ValueError


def checked(node: Any) -> list[Any]:
    """The same node, once it is known to have the form of one. Raises MalformedError."""
    _check(node, DEPTH, [NODES])
    checked_node: list[Any] = node
    return checked_node


def _check(node: Any, depth: int, room: list[int]) -> None:
    room[0] -= 1
    if depth < 0 or room[0] < 0:
        raise MalformedError("too deep or too large")
    if not isinstance(node, list) or not node or not isinstance(node[0], str):
        raise MalformedError("no node")
    for inside in _inside(*node):
        _check(inside, depth - 1, room)


def _inside(name: str, *told: Any) -> list[Any]:
    """The nodes in a node of this form."""
    if name == "sub" and len(told) == 2 and _is_name(told[0]) and _is_base(told[1]):
        return [told[1]]
    if name in SEQUENCES and len(told) == 1 and isinstance(told[0], list):
        return told[0]
    if name == "dict" and len(told) == 1 and isinstance(told[0], list):
        if all(isinstance(pair, list) and len(pair) == 2 for pair in told[0]):
            return [part for pair in told[0] for part in pair]
    elif name in _SCALARS and _SCALARS[name](list(told)):
        return []
    raise MalformedError(f"no node of {name[:20]!r}")


def _is_base(node: Any) -> bool:
    return isinstance(node, list) and bool(node) and node[0] not in ("sub", "opaque", "none")


def _is_name(told: Any) -> bool:
    return isinstance(told, str) and len(told) <= LONGEST_NAME


def _is(pattern: re.Pattern[str], count: int = 1) -> Callable[[list[Any]], bool]:
    return lambda told: (
        len(told) == count
        and all(isinstance(text, str) and pattern.fullmatch(text) is not None for text in told)
    )


_SCALARS: dict[str, Callable[[list[Any]], bool]] = {
    "none": lambda told: not told,
    "bool": lambda told: len(told) == 1 and isinstance(told[0], bool),
    "int": _is(_INT),
    "float": _is(_FLOAT),
    "complex": _is(_FLOAT, 2),
    "str": lambda told: len(told) == 1 and isinstance(told[0], str),
    "bytes": _is(_HEX),
    "bytearray": _is(_HEX),
    "opaque": lambda told: len(told) == 2 and _is_name(told[0]) and isinstance(told[1], bool),
}


def same(expected: list[Any], given: list[Any], *, exact: bool, tolerance: float = 0.0) -> bool:
    """Whether two checked nodes are the same value.

    tolerance: how far a float may be off, as a share of the larger and also in itself; not inside
    sets and the keys of a dict. Exactly, NaN is NaN; a value that is not plain data is nothing.
    """
    return _near(_normal(expected, exact), _normal(given, exact), tolerance)


def _normal(node: list[Any], exact: bool) -> list[Any]:
    """The node that all equal values share."""
    name, *told = node
    if name == "sub":
        return ["sub", *told] if exact else _normal(told[1], exact)
    if name in ("bool", "int", "float", "complex"):
        return _number(name, told, exact)
    if name in ("opaque", "none", "str"):
        return node
    if not exact:
        name = {"bytearray": "bytes", "frozenset": "set"}.get(name, name)
    if name == "dict":
        pairs = [[_normal(key, exact), _normal(value, exact)] for key, value in told[0]]
        return [name, sorted(pairs, key=lambda pair: line_of(pair[0]))]
    if name not in SEQUENCES:
        return [name, *told]
    items = [_normal(item, exact) for item in told[0]]
    return [name, sorted(items, key=line_of) if "set" in name else items]


def _number(name: str, told: list[Any], exact: bool) -> list[Any]:
    if name == "bool":
        return ["bool", told[0]] if exact else ["number", "1" if told[0] else "0"]
    if name == "int":
        text = format(int(told[0], 16), "x")
        return ["int" if exact else "number", text]
    parts = [float.fromhex(part) + 0.0 for part in told]  # + 0.0: there is one zero
    if exact:
        return [name, *parts] if not any(map(math.isnan, parts)) else [name, *map(str, parts)]
    if name == "complex" and parts[1] != 0:
        return [name, *parts]
    real = parts[0]
    if not math.isfinite(real):
        return ["number", math.nan if math.isnan(real) else str(real)]
    ratio = Fraction(real)
    text = format(ratio.numerator, "x")
    return ["number", text if ratio.denominator == 1 else f"{text}/{ratio.denominator:x}"]


def _near(expected: Any, given: Any, tolerance: float) -> bool:
    """Equality of normal nodes, with room for the floats that stand where floats are expected."""
    if not isinstance(expected, list) or not isinstance(given, list):
        return type(expected) is type(given) and bool(expected == given)
    if expected[:1] == ["opaque"] or given[:1] == ["opaque"]:
        return False
    wanted, found = (_float(expected), _float(given)) if tolerance else (None, None)
    if wanted is not None and found is not None:
        return math.isclose(wanted, found, rel_tol=tolerance, abs_tol=tolerance)
    return len(expected) == len(given) and all(
        _near(a, b, tolerance) for a, b in zip(expected, given, strict=True)
    )


def _float(node: list[Any]) -> float | None:
    """The number of a normal node; None for what has none, or one too large for a float."""
    if len(node) != 2 or node[0] not in ("float", "number"):
        return None
    if not isinstance(node[1], str):
        return float(node[1])
    if node[1] in ("inf", "-inf", "nan"):
        return float(node[1])
    above, _, below = node[1].partition("/")
    try:
        return int(above, 16) / int(below or "1", 16)
    except OverflowError:
        return None


def is_true(node: list[Any]) -> bool:
    """What `bool` says of the value; of one that is not plain data, what its process said."""
    name, *told = node
    if name == "sub":
        return is_true(told[1])
    if name in ("opaque", "bool"):
        return bool(told[-1])
    if name in ("int", "float", "complex"):
        return any(float.fromhex(t) != 0 if name != "int" else t.strip("-0") != "" for t in told)
    return bool(told and told[0])
