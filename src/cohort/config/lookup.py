"""Which table of options a path leads to, and which known word a misspelt one resembles.

Only the classes of this room are looked at, never values. The generated recipe reference and the
refusals of misspelt keys read the same tables, so they cannot disagree.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, get_args, get_origin

from cohort.config.base import Table
from cohort.errors import legible

Location = Sequence[str | int]
"""A path as pydantic reports it: keys, list indices, and the kind of a stage after its index."""

_BARE = re.compile(r"[\w:/-]{1,60}")


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
    return ".".join(p if _BARE.fullmatch(p) else f'"{legible(p)}"' for p in parts)


def numbered(names: Iterable[str]) -> list[str]:
    """The names in order, the second of a kind with "-2" behind it, the third with "-3"."""
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        seen[name] += 1
        result.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return result


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
