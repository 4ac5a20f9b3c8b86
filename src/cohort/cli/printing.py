"""How commands print a result on stdout: JSON for machines, aligned columns for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import typer


def print_json(value: object) -> None:
    """One JSON document; NaN is refused, because most readers refuse it."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False))


def print_table(values: Mapping[str, object]) -> None:
    """One name and value per line."""
    print_columns([(name, _text(value)) for name, value in values.items()])


def print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Rows of equally many cells, each column as wide as its longest cell, the last one free."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        typer.echo("  ".join(cells).rstrip())


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_text(part)}" for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return " to ".join(_text(part) for part in value)
    return str(value)
