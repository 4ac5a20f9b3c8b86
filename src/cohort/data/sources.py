"""Where rows come from: JSONL, CSV and Parquet files, data sets of the hub, functions of the user.

A row keeps the place that it came from, so that whatever is wrong with it later can be found.
Everything is read into memory. Nothing is skipped: a line that cannot be read is a refusal.
"""

from __future__ import annotations

import csv
import inspect
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from cohort.config.lookup import nearest
from cohort.config.stages import Problems
from cohort.data.imported import cause_of, import_function, is_function
from cohort.data.tables import read_hub, read_parquet
from cohort.errors import DataError

HUB = "hub:"


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a source: its columns, and where it stands ("train.jsonl, line 4")."""

    values: Mapping[str, object]
    where: str


def read_rows(options: Problems, base: Path) -> list[Row]:
    """The rows of `options.source`; files are looked for in `base`. Raises DataError."""
    source = options.source
    if source.startswith(HUB):
        name = source.removeprefix(HUB)
        rows: Iterable[Row] = _numbered(
            read_hub(name, options.split, options.options), source, "row"
        )
    elif is_function(source):
        rows = _from_function(source, base, options.options)
    else:
        _refuse_options(options)
        rows = _from_file(source, base)
    listed = list(rows)
    if not listed:
        raise DataError(f"{source} holds no rows", "a source needs at least one problem")
    return listed


def read_held_out_rows(options: Problems, base: Path) -> list[Row]:
    """The rows of `options.held_out`: a split of the same hub data set, or a source of its own."""
    if options.source.startswith(HUB) and not _is_source(options.held_out):
        return read_rows(options.model_copy(update={"split": options.held_out}), base)
    other: dict[str, object] = {"source": options.held_out}
    if not is_function(options.held_out):
        other["options"] = {}
    return read_rows(options.model_copy(update=other), base)


def _is_source(name: str) -> bool:
    return name.startswith(HUB) or is_function(name) or Path(name).suffix in READERS


def _refuse_options(options: Problems) -> None:
    if options.options:
        raise DataError(
            f"{options.source} is a file and has no options; given: {', '.join(options.options)}",
            "options belong to built-in tasks, functions and hub data sets",
        )


def _from_file(source: str, base: Path) -> Iterable[Row]:
    path = base / source
    if path.suffix not in READERS:
        raise DataError(
            f'{source} ends in "{path.suffix}", which is not read',
            f"use one of {', '.join(READERS)}; JSON with one object per line is .jsonl",
        )
    if not path.is_file():
        folder = path.parent
        names = [p.name for p in folder.iterdir() if p.is_file()] if folder.is_dir() else []
        near = nearest(path.name, names)
        raise DataError(
            f"{source} does not exist in {base}",
            f'did you mean "{near}"?' if near else "paths are relative to the recipe's folder",
        )
    return READERS[path.suffix](path)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Every line with its number from 1, decoded; a byte-order mark is dropped."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path.name}, line {number} is not UTF-8: byte 0x{raw[error.start]:02x} at "
                    f"position {error.start + 1}",
                    "save the file as UTF-8",
                ) from error


def _jsonl(path: Path) -> Iterator[Row]:
    for number, line in _lines(path):
        if not line.strip():
            continue
        where = f"{path.name}, line {number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{where} is not JSON: {error}; seen: {_short(line.strip())}",
                "a .jsonl file has one whole JSON object on every line",
            ) from error
        if not isinstance(value, dict):
            raise DataError(
                f"{where} is not a JSON object: {_short(line.strip())}",
                'write every problem as an object: {"prompt": "..."}',
            )
        yield Row(value, where)


def _csv(path: Path) -> Iterator[Row]:
    reader = csv.reader((line for _, line in _lines(path)), strict=True)
    names: list[str] = []
    try:
        for fields in reader:
            where = f"{path.name}, line {reader.line_num}"
            if not names:
                names = _column_names(fields, where)
            elif fields and len(fields) != len(names):
                raise DataError(
                    f"{where} has {len(fields)} fields; the first line names {len(names)} columns",
                    "quote fields that contain commas or line breaks",
                )
            elif fields:
                yield Row(dict(zip(names, fields, strict=True)), where)
    except csv.Error as error:
        raise DataError(
            f"{path.name}, line {reader.line_num} is not CSV: {error}",
            "quote fields with double quotes, and double those inside",
        ) from error


def _column_names(fields: list[str], where: str) -> list[str]:
    doubled = [name for name in fields if fields.count(name) > 1 or not name.strip()]
    if doubled:
        raise DataError(
            f'{where} names a column "{doubled[0]}" {fields.count(doubled[0])} times',
            "the first line of a CSV file gives every column a name of its own",
        )
    return fields


def _parquet(path: Path) -> Iterator[Row]:
    return _numbered(read_parquet(path), path.name, "row")


READERS = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
"""How a file is read, by its suffix."""


def _from_function(source: str, base: Path, options: Mapping[str, Any]) -> Iterator[Row]:
    """The rows that a function returns or yields: dicts, or prompts on their own."""
    name, function = import_function(source, base, DataError)
    file = inspect.getfile(inspect.unwrap(function)) if inspect.isroutine(function) else ""
    try:
        returned: Any = function(**options)
        values = list(returned)
    except (Exception, SystemExit) as error:
        raise DataError(
            f"{source} raised {cause_of(error, file)}",
            f"{name} is called with the problems' options and returns rows or prompts",
        ) from error
    if isinstance(returned, (str, Mapping)):
        raise DataError(
            f"{source} returned a single {type(returned).__name__}",
            "return a list of rows, or of prompts",
        )
    rows = ({"prompt": value} if isinstance(value, (str, list)) else value for value in values)
    return _numbered(rows, source, "item")


def _numbered(rows: Iterable[object], source: str, word: str) -> Iterator[Row]:
    for number, row in zip(count(1), rows, strict=False):
        where = f"{source}, {word} {number}"
        if not isinstance(row, Mapping) or not all(isinstance(name, str) for name in row):
            raise DataError(
                f"{where} is not a row: {_short(repr(row))}",
                'a row is a dict with column names: {"prompt": "..."}',
            )
        yield Row(dict(row), where)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
