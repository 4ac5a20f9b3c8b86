"""JSON that a model wrote, read strictly, and the part of JSON Schema that it can be held to.

The keywords are those below, with their meaning in JSON Schema 2020-12. What would be ignored in
silence is refused: `$ref`, `format`, `if` and every other keyword. Reading and checking take time in
proportion to the document times the schema; `pattern` alone is the user's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from cohort.config.lookup import nearest
from cohort.errors import RewardError, legible

Schema = Mapping[str, Any] | bool

TYPES: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "number": lambda value: _is_number(value),
    "integer": lambda value: _is_number(value) and value == int(value),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
"""The types of JSON; 1.0 is an integer, true is no number."""

ANNOTATIONS = ("title", "description", "default", "examples", "$schema", "$comment")
"""Keywords that say nothing of validity."""


class NotJson(ValueError):
    """A text that is no JSON document."""


def read_json(text: str) -> Any:
    """The value of a JSON document. Raises NotJson; also for NaN, doubled names, endless nesting."""
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise NotJson(str(error)) from error


def read_json_at(text: str, begin: int) -> tuple[Any, int]:
    """As `read_json`, of the document that begins at a place of a text; and the place after it."""
    try:
        return _DECODER.raw_decode(text, begin)
    except (ValueError, RecursionError) as error:
        raise NotJson(str(error)) from error


def check_schema(schema: Any) -> None:
    """Raise RewardError for a keyword that is not known, or a value that it cannot have."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        raise RewardError(f"a JSON schema is a table, not {legible(repr(schema))}")
    for keyword, wanted in schema.items():
        if keyword in ANNOTATIONS:
            continue
        if keyword not in KEYWORDS:
            near = nearest(keyword, KEYWORDS)
            raise RewardError(
                f'the JSON schema has "{legible(keyword)}"; known are {", ".join(KEYWORDS)}',
                f'did you mean "{near}"?' if near else "leave it out: it could not be checked",
            )
        _check_keyword(keyword, wanted)


def is_valid(value: Any, schema: Schema) -> bool:
    """Whether a value satisfies a schema that `check_schema` has seen."""
    if isinstance(schema, bool):
        return schema
    return all(
        KEYWORDS[keyword](value, wanted, schema)
        for keyword, wanted in schema.items()
        if keyword not in ANNOTATIONS
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def _is_number(value: Any) -> bool:
    finite = not isinstance(value, float) or value - value == 0.0  # 1e999 is read as infinity
    return isinstance(value, (int, float)) and not isinstance(value, bool) and finite


def _same_key(value: Any) -> str:
    """Equal for values that JSON Schema calls equal: 1 and 1.0 are, 1 and true are not."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return (
        int(value)
        if isinstance(value, float) and _is_number(value) and value == int(value)
        else value
    )


def _type(value: Any, wanted: Any, _: Schema) -> bool:
    names = [wanted] if isinstance(wanted, str) else wanted
    return any(TYPES[name](value) for name in names)


def _properties(value: Any, wanted: Any, _: Schema) -> bool:
    return not isinstance(value, dict) or all(
        is_valid(value[name], below) for name, below in wanted.items() if name in value
    )


def _additional(value: Any, wanted: Any, schema: Schema) -> bool:
    if not isinstance(value, dict) or isinstance(schema, bool):
        return True
    known = schema.get("properties", {})
    return all(is_valid(below, wanted) for name, below in value.items() if name not in known)


def _items(value: Any, wanted: Any, _: Schema) -> bool:
    return not isinstance(value, list) or all(is_valid(item, wanted) for item in value)


def _multiple(value: Any, wanted: Any, _: Schema) -> bool:
    if not _is_number(value):
        return True
    return (Fraction(str(value)) / Fraction(str(wanted))).denominator == 1


def _sized(
    kind: type[list[Any] | dict[str, Any] | str], fits: Callable[[int, int], bool]
) -> Callable[[Any, Any, Schema], bool]:
    return lambda value, wanted, _: not isinstance(value, kind) or fits(len(value), wanted)


def _bounded(fits: Callable[[Any, Any], bool]) -> Callable[[Any, Any, Schema], bool]:
    return lambda value, wanted, _: not _is_number(value) or fits(value, wanted)


KEYWORDS: dict[str, Callable[[Any, Any, Schema], bool]] = {
    "type": _type,
    "enum": lambda value, wanted, _: _same_key(value) in [_same_key(one) for one in wanted],
    "const": lambda value, wanted, _: _same_key(value) == _same_key(wanted),
    "properties": _properties,
    "required": lambda value, wanted, _: (
        not isinstance(value, dict) or all(n in value for n in wanted)
    ),
    "additionalProperties": _additional,
    "items": _items,
    "minItems": _sized(list, lambda size, wanted: size >= wanted),
    "maxItems": _sized(list, lambda size, wanted: size <= wanted),
    "uniqueItems": lambda value, wanted, _: (
        not (wanted and isinstance(value, list))
        or len({_same_key(item) for item in value}) == len(value)
    ),
    "minProperties": _sized(dict, lambda size, wanted: size >= wanted),
    "maxProperties": _sized(dict, lambda size, wanted: size <= wanted),
    "minLength": _sized(str, lambda size, wanted: size >= wanted),
    "maxLength": _sized(str, lambda size, wanted: size <= wanted),
    "pattern": lambda value, wanted, _: (
        not isinstance(value, str) or bool(re.search(wanted, value))
    ),
    "minimum": _bounded(lambda value, wanted: value >= wanted),
    "maximum": _bounded(lambda value, wanted: value <= wanted),
    "exclusiveMinimum": _bounded(lambda value, wanted: value > wanted),
    "exclusiveMaximum": _bounded(lambda value, wanted: value < wanted),
    "multipleOf": _multiple,
    "allOf": lambda value, wanted, _: all(is_valid(value, below) for below in wanted),
    "anyOf": lambda value, wanted, _: any(is_valid(value, below) for below in wanted),
    "oneOf": lambda value, wanted, _: sum(is_valid(value, below) for below in wanted) == 1,
    "not": lambda value, wanted, _: not is_valid(value, wanted),
}
"""What each keyword asks of a value; values of other types than its own satisfy it."""

_COUNTS = ("minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength")
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")


def _check_keyword(keyword: str, wanted: Any) -> None:
    """Raise RewardError for a value that a keyword cannot have; look into the schemas below it."""
    below = _schemas_below(keyword, wanted)
    if below is None or not _can_be(keyword, wanted):
        raise RewardError(
            f"the JSON schema says {keyword} = {legible(repr(wanted))}, which it cannot",
            "see the keyword in JSON Schema 2020-12",
        )
    for schema in below:
        check_schema(schema)


def _schemas_below(keyword: str, wanted: Any) -> list[Any] | None:
    """The schemas within a keyword's value; None where it should hold some and does not."""
    if keyword == "properties":
        return list(wanted.values()) if isinstance(wanted, Mapping) else None
    if keyword in ("allOf", "anyOf", "oneOf"):
        return list(wanted) if isinstance(wanted, list) and wanted else None
    return [wanted] if keyword in ("items", "additionalProperties", "not") else []


def _can_be(keyword: str, wanted: Any) -> bool:
    if keyword == "type":
        names = [wanted] if isinstance(wanted, str) else wanted
        return isinstance(names, list) and all(name in TYPES for name in names)
    if keyword in _COUNTS:
        return isinstance(wanted, int) and not isinstance(wanted, bool) and wanted >= 0
    if keyword in _NUMBERS:
        return _is_number(wanted) and (keyword != "multipleOf" or wanted > 0)
    if keyword in ("enum", "required"):
        return isinstance(wanted, list)
    return keyword != "pattern" or _compiles(wanted)


def _compiles(pattern: Any) -> bool:
    try:
        return isinstance(pattern, str) and bool(re.compile(pattern))
    except (re.error, RecursionError, OverflowError):
        return False
