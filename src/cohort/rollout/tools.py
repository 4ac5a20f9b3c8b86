"""Tools from typed Python functions, and the arguments of a call held to what the function takes.

The schema is read off the signature and the docstring; nothing is guessed. A parameter without a type
hint, or with one that has no JSON schema, is refused by name before anything is sampled. A call is
checked against the schema before the function is called, and what is wrong with it is a sentence
that the policy can read.
"""

from __future__ import annotations

import functools
import inspect
import json
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cohort.config.lookup import nearest
from cohort.errors import RecipeError, legible, listed
from cohort.rewards.json_schema import is_valid
from cohort.rollout.docstrings import read_docstring
from cohort.rollout.environments import Tool
from cohort.rollout.tool_schema import KNOWN, Json, NoSchema, as_python, schema_of, wanted

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class BadArguments(ValueError):
    """Arguments that a tool does not take; the text is for the policy."""


def tool_of(function: Callable[..., object], name: str = "") -> Tool:
    """A tool that calls a function, or a method of an object, under its own name or another one.

    Raises RecipeError where it has no name, no docstring, or a parameter without a schema.
    """
    plain = function.func if isinstance(function, functools.partial) else function
    name = name or getattr(plain, "__name__", "")
    if not NAME.fullmatch(name):
        raise RecipeError(f"a tool cannot be called {legible(name)!r}", "give it a def and a name")
    description, said = read_docstring(inspect.getdoc(plain))
    if not description:
        raise RecipeError(
            f"the tool {name} has no docstring: a policy would not know what it does",
            "describe it in one sentence",
        )
    return Tool(name, description, _parameters(name, function, said), function)


def tools_of(functions: Iterable[Callable[..., object] | Tool]) -> tuple[Tool, ...]:
    """Tools of functions, those that are tools already as they are. Raises RecipeError."""
    tools = tuple(f if isinstance(f, Tool) else tool_of(f) for f in functions)
    names = [tool.name for tool in tools]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise RecipeError(f"two tools are called {min(twice)}", "give them names of their own")
    return tools


def methods_of(environment: object, besides: Iterable[str] = ()) -> tuple[Tool, ...]:
    """An object's public methods as tools, by name, but those named in `besides`."""
    kind = type(environment)
    methods = (staticmethod, classmethod)
    names = [
        name
        for name in dir(kind)
        if not name.startswith("_") and name not in set(besides)
        if inspect.isfunction(found := inspect.getattr_static(kind, name))
        or isinstance(found, methods)
    ]
    return tools_of(getattr(environment, name) for name in names)


def arguments_for(tool: Tool, arguments: Mapping[str, object]) -> dict[str, Any]:
    """The arguments of a call as the tool's function takes them. Raises BadArguments."""
    known: Mapping[str, Json] = typing.cast(Any, tool.parameters.get("properties", {}))
    required = typing.cast("list[str]", tool.parameters.get("required", []))
    for name in arguments:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near}?" if near else f"it takes {listed(known) or 'none'}"
            raise BadArguments(f"{tool.name} takes no argument {legible(name)}; {hint}")
    missing = [name for name in required if name not in arguments]
    if missing:
        raise BadArguments(f"{tool.name} needs the argument {listed(missing)}")
    return {name: _held(tool, name, value, known[name]) for name, value in arguments.items()}


def _held(tool: Tool, name: str, value: object, schema: Json) -> object:
    if not is_valid(value, schema):
        seen = legible(json.dumps(value, ensure_ascii=False))
        raise BadArguments(f"{name} of {tool.name} has to be {wanted(schema)}, and is {seen}")
    return as_python(value, schema)


def _parameters(name: str, function: Callable[..., object], said: Mapping[str, str]) -> Json:
    """The schema of a function's arguments, an object."""
    properties: Json = {}
    required: list[str] = []
    hints = _hints(name, function)
    given = function.keywords if isinstance(function, functools.partial) else {}
    for parameter in _signature(name, function).parameters.values():
        if parameter.name in given:
            continue
        own = _schema(name, parameter, hints)
        if said.get(parameter.name):
            own["description"] = said[parameter.name]
        properties[parameter.name] = own
        if parameter.default is inspect.Parameter.empty:
            required.append(parameter.name)
    unknown = [word for word in said if word not in properties]
    if unknown:
        raise RecipeError(
            f"the docstring of the tool {name} describes {listed(unknown)}, which it does not take",
            f"it takes {listed(properties) or 'nothing'}",
        )
    return {"type": "object", "properties": properties, "required": required}


def _schema(name: str, parameter: inspect.Parameter, hints: Mapping[str, object]) -> Json:
    where = f"the parameter {parameter.name} of the tool {name}"
    if parameter.kind not in BY_NAME:
        raise RecipeError(f"{where} cannot be given by name", "a tool takes named arguments alone")
    if parameter.name not in hints:
        raise RecipeError(f"{where} has no type hint", f"annotate it; known are {KNOWN}")
    try:
        schema = schema_of(hints[parameter.name])
    except NoSchema as hint:
        raise RecipeError(
            f"{where} has the type hint {hint}, which has no JSON schema", f"known are {KNOWN}"
        ) from None
    default = parameter.default
    if default is inspect.Parameter.empty:
        return schema
    if default is not None and not is_valid(default, schema):
        raise RecipeError(
            f"{where} has the default {legible(repr(default))}, and has to be {wanted(schema)}",
            "correct the hint or the default",
        )
    return schema if default is None else schema | {"default": default}


def _hints(name: str, function: Callable[..., object]) -> dict[str, Any]:
    plain: Any = function.func if isinstance(function, functools.partial) else function
    try:
        return typing.get_type_hints(inspect.unwrap(plain), include_extras=True)
    except Exception as error:  # whatever evaluating an annotation of the user raises
        raise RecipeError(
            f"the type hints of the tool {name} cannot be read: {legible(str(error), 200)}",
            "a hint is a name that its file knows",
        ) from error


def _signature(name: str, function: Callable[..., object]) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise RecipeError(
            f"the parameters of the tool {name} cannot be read", "wrap it in a def with type hints"
        ) from error
