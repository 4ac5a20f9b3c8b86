"""Where rows come from: files, data sets of the hub, functions of the user.

Everything is read into memory. Nothing is skipped: a row that cannot be read is a refusal. How a
file is read is in `files`.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cohort.config.stages import Problems
from cohort.data.files import READERS, Row, numbered_rows, suffix_of
from cohort.data.imported import cause_of, import_function, is_function, near_file
from cohort.data.tables import read_hub
from cohort.errors import DataError, legible, listed

HUB = "hub:"


def read_rows(options: Problems, base: Path) -> list[Row]:
    """The rows of `options.source`; files are looked for in `base`. Raises DataError."""
    source = options.source
    if source.startswith(HUB):
        name = source.removeprefix(HUB)
        rows: Iterable[Row] = numbered_rows(
            read_hub(name, options.split, options.options), source, "row"
        )
    elif is_function(source):
        rows = _from_function(source, base, options.options)
    else:
        _refuse_options(options)
        rows = _from_file(source, base)
    found = list(rows)
    if not found:
        raise DataError(f"{source} holds no rows", "a source needs at least one problem")
    return found


def read_held_out_rows(options: Problems, base: Path) -> list[Row]:
    """The rows of `options.held_out`: a split of the same hub data set, or a source of its own."""
    if options.source.startswith(HUB) and not _is_source(options.held_out):
        return read_rows(options.model_copy(update={"split": options.held_out}), base)
    other: dict[str, object] = {"source": options.held_out}
    if not is_function(options.held_out):
        other["options"] = {}
    return read_rows(options.model_copy(update=other), base)


def _is_source(name: str) -> bool:
    return name.startswith(HUB) or is_function(name) or suffix_of(name) in READERS


def _refuse_options(options: Problems) -> None:
    if options.options:
        raise DataError(
            f"{options.source} is a file and has no options; given: {listed(options.options)}",
            "options belong to built-in tasks, functions and hub data sets",
        )


def _from_file(source: str, base: Path) -> Iterable[Row]:
    path = base / source
    reader = READERS.get(suffix_of(source))
    if reader is None:
        raise DataError(
            f'{legible(source, 200)} ends in "{legible(path.suffix)}", which is not read',
            f"use one of {', '.join(READERS)}; JSON with one object per line is .jsonl",
        )
    if os.path.isfile(path):  # which answers for every text, where Path raises
        return reader(path)
    if os.path.isdir(path):
        raise DataError(f"{source} is a folder", "name a file in it")
    if os.path.lexists(path):
        raise DataError(
            f"{source} is no file that can be read",
            "a pipe, a device or a broken link is none; copy the rows into a file",
        )
    raise DataError(f"{legible(source, 200)} does not exist in {base}", near_file(path))


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
    return numbered_rows(rows, source, "item")
