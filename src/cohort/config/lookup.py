"""Which table of options a path leads to, and which known word a misspelt one resembles.

Only the classes of this room are looked at, never values. The generated recipe reference and the
refusals of misspelt keys read the same tables, so they cannot disagree.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any, get_args, get_origin

from cohort.config.base import Table

Location = Sequence[str | int]
"""A path as pydantic reports it: keys, list indices, and the kind of a stage after its index."""


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that resembles this one most, or an empty string when none does."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return matches[0] if matches else ""


def tables_in(annotation: Any) -> list[type[Table]]:
    """The option tables that a field's annotation mentions, in order."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return [annotation]
    return [table for part in get_args(annotation) for table in tables_in(part)]


def kind_of(table: type[Table]) -> str:
    """The kind a stage's table is chosen by; empty for every other table."""
    field = table.model_fields.get("kind")
    return str(get_args(field.annotation)[0]) if field else ""


def table_at(root: type[Table], location: Location) -> type[Table] | None:
    """The table that the last part of a location is a key of; None where there is none."""
    found = [root]
    for part in location[:-1]:
        found = _step(found, part)
    return found[0] if found else None


def shown(location: Location) -> str:
    """A location as a person writes it: `stage.1.steps`, without the kind that pydantic adds."""
    parts = [str(part) for i, part in enumerate(location) if not _is_kind(location, i)]
    return ".".join(f'"{part}"' if "." in part else part for part in parts)


def options_of(table: type[Table]) -> dict[str, str]:
    """Every option of a table, and those of the tables inside it: name -> dotted path."""
    inner = {
        option: f"{name}.{option}"
        for name, field in table.model_fields.items()
        for below in tables_in(field.annotation)
        if get_origin(field.annotation) not in (list, dict)
        for option in below.model_fields
    }
    return inner | {name: name for name in table.model_fields}


def _step(tables: list[type[Table]], part: str | int) -> list[type[Table]]:
    """The tables one part further down; an index or the key of a dictionary leads nowhere new."""
    if isinstance(part, int):
        return tables
    of_kind = [table for table in tables if kind_of(table) == part]
    if of_kind:
        return of_kind
    fields = [table.model_fields[part] for table in tables if part in table.model_fields]
    return tables_in(fields[0].annotation) if fields else tables


def _is_kind(location: Location, i: int) -> bool:
    return i == 2 and location[0] == "stage" and isinstance(location[1], int)
