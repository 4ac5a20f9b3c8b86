"""The JSON schema of a type hint, and values held to it.

Known are int, float, str, bool, None, list, dict, Literal, Optional, unions of these, Any, and
Annotated with a sentence. Everything else has no schema here and is refused: a schema that says less
than the hint would let a policy call a function with what it does not take.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from cohort.errors import legible
from cohort.rewards.json_schema import is_valid

NAMES: dict[object, str] = {
    int: "integer",
    float: "number",
    str: "string",
    bool: "boolean",
    list: "array",
    dict: "object",
    type(None): "null",
    None: "null",
}
KNOWN = "int, float, str, bool, list, dict, Literal, Optional and unions of these"

Json = dict[str, Any]


class NoSchema(ValueError):
    """A type hint that no JSON schema is made of."""


def schema_of(hint: object) -> Json:
    """The schema of a type hint. Raises NoSchema."""
    if hint is Any:
        return {}
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is None:
        return _of_plain(hint)
    if origin is Annotated:
        said = [word for word in arguments[1:] if isinstance(word, str)]
        return schema_of(arguments[0]) | ({"description": said[0]} if said else {})
    if origin is Literal:
        return _of_literal(arguments)
    if origin in (Union, types.UnionType):
        return _of_union([schema_of(argument) for argument in arguments])
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin is dict and arguments[0] is str:
        return {"type": "object", "additionalProperties": schema_of(arguments[1])}
    raise NoSchema(_shown(hint))


def _of_plain(hint: object) -> Json:
    for known, name in NAMES.items():
        if hint is known:
            return {"type": name}
    raise NoSchema(_shown(hint))


def _of_literal(values: tuple[object, ...]) -> Json:
    names = {NAMES.get(type(value), "") for value in values}
    if not names <= {"integer", "string", "boolean", "null"}:
        raise NoSchema(_shown(Literal[values]))
    kind: Json = {"type": names.pop()} if len(names) == 1 else {}
    return kind | {"enum": list(values)}


def _of_union(parts: list[Json]) -> Json:
    """One list of types where that says it all."""
    if all(set(part) == {"type"} and isinstance(part["type"], str) for part in parts):
        return {"type": list(dict.fromkeys(part["type"] for part in parts))}
    return {"anyOf": parts}


def _shown(hint: object) -> str:
    return legible(typing.cast(str, getattr(hint, "__name__", "")) or repr(hint))


def wanted(schema: Mapping[str, Any]) -> str:
    """What a schema asks for, in words that complete "it has to be"."""
    if "enum" in schema:
        return "one of " + legible(json.dumps(schema["enum"], ensure_ascii=False), 200)
    names = schema.get("type")
    if isinstance(names, list):
        return "of type " + " or ".join(names)
    if names == "array" and schema.get("items"):
        return "a list, each of it " + wanted(schema["items"])
    if isinstance(names, str):
        return f"of type {names}"
    return " or ".join(wanted(part) for part in schema.get("anyOf", ())) or "any value"


def as_python(value: Any, schema: Mapping[str, Any]) -> Any:
    """A valid value as Python's own types have it: 2.0, which is an integer in JSON, is 2."""
    for part in schema.get("anyOf", ()):
        if is_valid(value, part):
            return as_python(value, part)
    names = schema.get("type", ())
    if isinstance(value, float) and "integer" in names and "number" not in names:
        return int(value)
    if isinstance(value, list) and "items" in schema:
        return [as_python(item, schema["items"]) for item in value]
    below = schema.get("additionalProperties")
    if isinstance(value, dict) and isinstance(below, Mapping):
        return {name: as_python(item, below) for name, item in value.items()}
    return value
