"""What pydantic found wrong with a recipe, as one sentence with place, value and remedy.

One problem at a time, misspelt keys first: a misspelt key is often why another one is missing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from cohort.config.base import Table
from cohort.config.lookup import kind_of, nearest, options_of, shown, table_at, tables_in
from cohort.errors import RecipeError, legible

EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "string_type": "text in quotes",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
    "too_short": "at least {min_length}",
    "too_long": "at most {max_length} of them",
}
"""Pydantic's name of an error -> what was expected; `{...}` is filled in from its context."""


def refusal(error: ValidationError, root: type[Table], source: str) -> RecipeError:
    """The first thing to put right, as a RecipeError that names the file it is in."""
    problems = error.errors(include_url=False)
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    problem = (unknown or problems)[0]
    message, hint = _sentence(problem, root)
    return RecipeError(f"{source}: {message}", hint)


def _sentence(problem: ErrorDetails, root: type[Table]) -> tuple[str, str]:
    place = shown(problem["loc"])
    match problem["type"]:
        case "extra_forbidden":
            return _unknown_key(problem, root)
        case "missing":
            return f"{place} is missing", _documentation(problem, root)
        case "union_tag_not_found":
            return f"{place} has no kind", f"kind is one of {', '.join(_kinds(root))}"
        case "union_tag_invalid":
            kind = str(problem["ctx"]["tag"])
            near = nearest(kind, _kinds(root))
            hint = f"did you mean {near}?" if near else f"kind is one of {', '.join(_kinds(root))}"
            return f'{place}.kind is "{legible(kind)}", and there is no such kind of stage', hint
        case "value_error":
            reason = str(problem["ctx"]["error"])
            return f"{place}: {reason}" if place else reason, ""
    expected = _expected(problem)
    message = f"{place} is {_value(problem['input'])}: expected {expected}"
    return message, _documentation(problem, root)


def _unknown_key(problem: ErrorDetails, root: type[Table]) -> tuple[str, str]:
    location = problem["loc"]
    table = table_at(root, location)
    options = options_of(table) if table else {}
    near = nearest(str(location[-1]), options)
    kind = kind_of(table) if table else ""
    where = f"{'an' if kind == 'evaluate' else 'a'} {kind} stage" if kind else "this table"
    if near:
        path = ".".join(filter(None, (shown(location[:-1]), options[near])))
        hint = f"did you mean {path}?"
    else:
        own = table.model_fields if table else ()
        hint = f"{where} has: {', '.join(own)}"
    return f"{shown(location)} is not an option of {where}", hint


def _expected(problem: ErrorDetails) -> str:
    known = EXPECTED.get(problem["type"])
    context: Mapping[str, Any] = problem.get("ctx", {})
    return known.format(**context) if known else problem["msg"]


def _documentation(problem: ErrorDetails, root: type[Table]) -> str:
    """The documentation of the option, as the hint: it says what the option is, with its unit."""
    table = table_at(root, problem["loc"])
    field = table.model_fields.get(str(problem["loc"][-1])) if table else None
    text = " ".join((field.description or "").split()) if field else ""
    return f"{problem['loc'][-1]}: {text}" if text else ""


def _kinds(root: type[Table]) -> list[str]:
    return [kind_of(table) for table in tables_in(root.model_fields["stage"].annotation)]


def _value(value: object) -> str:
    return legible(json.dumps(value, default=str, ensure_ascii=False))
