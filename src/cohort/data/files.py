"""How rows are read from a file: JSONL and CSV, plain or gzip-compressed, and Parquet.

A row keeps the place that it came from, so that whatever is wrong with it later can be found. Text
is read line by line. Refused: what is not UTF-8, lines without end, compressed files that hold out
of proportion much, and JSON or CSV that another program could read differently (NaN, a name twice).
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from cohort.data.tables import read_parquet
from cohort.errors import DataError, legible

LONGEST_LINE_BYTES = 16_000_000
"""The longest line that is read."""

LARGEST_RATIO = 100
"""A compressed file may hold so many times its own size; text seldom reaches 20."""

ALWAYS_FINE_BYTES = 16_000_000
"""What a compressed file may hold whatever its own size is."""

DEEPEST = 50
"""How deep the values of a JSON line may be nested."""

GZIP = ".gz"


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a source: its columns, and where it stands ("train.jsonl, line 4")."""

    values: Mapping[str, object]
    where: str


def suffix_of(name: str) -> str:
    """The end of a file's name that says how it is read: `.jsonl`, `.csv.gz`; else its suffix."""
    known = [suffix for suffix in READERS if name.endswith(suffix) and name != suffix]
    return known[0] if known else Path(name).suffix


def numbered_rows(rows: Iterable[object], source: str, word: str) -> Iterator[Row]:
    """Python objects as rows, numbered from 1. Raises DataError for what is no row."""
    for number, row in zip(count(1), rows, strict=False):
        where = f"{source}, {word} {number}"
        if not isinstance(row, Mapping) or not all(isinstance(name, str) for name in row):
            raise DataError(
                f"{where} is not a row: {legible(repr(row))}",
                'a row is a dict with column names: {"prompt": "..."}',
            )
        yield Row(dict(row), where)


def _raw_lines(path: Path) -> Iterator[bytes]:
    number = read = 0
    most = max(ALWAYS_FINE_BYTES, LARGEST_RATIO * path.stat().st_size)
    try:
        with gzip.open(path) if path.suffix == GZIP else path.open("rb") as file:
            while raw := file.readline(LONGEST_LINE_BYTES + 1):
                number, read = number + 1, read + len(raw)
                if path.suffix == GZIP and read > most:
                    raise DataError(
                        f"{path.name}, line {number}: so far the file holds more than "
                        f"{LARGEST_RATIO} times its own size, and it goes on",
                        "decompress it yourself if that is right",
                    )
                yield raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path.name} is not whole: after line {number} gzip says: {legible(str(error), 100)}",
            "compress it or copy it again",
        ) from error
    except OSError as error:
        raise DataError(
            f"{path.name} cannot be read after line {number}: {error.strerror}", "copy it again"
        ) from error


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Every line with its number from 1, decoded; a byte-order mark is dropped."""
    for number, raw in enumerate(_raw_lines(path), start=1):
        where = f"{path.name}, line {number}"
        if len(raw) > LONGEST_LINE_BYTES:
            raise DataError(
                f"{where} has more than {LONGEST_LINE_BYTES:,} bytes",
                "no model has room for that; one line holds one problem",
            )
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{where} is not UTF-8: byte 0x{raw[error.start]:02x} at position "
                f"{error.start + 1}",
                "save the file as UTF-8",
            ) from error
        if "\0" in text:
            raise DataError(
                f"{where} has a NUL character at position {text.index(chr(0)) + 1}",
                "the file is damaged or UTF-16; save it as UTF-8",
            )
        yield number, text


def _jsonl(path: Path) -> Iterator[Row]:
    for number, line in _lines(path):
        text = line.strip()
        if not text:
            continue
        where = f"{path.name}, line {number}"
        try:
            value = _JSON.decode(text)
        except json.JSONDecodeError as error:
            reason = f"{error.msg.removesuffix(' at')} at position {error.pos + 1}"
            raise _not_json(where, reason, text[max(0, error.pos - 40) :]) from error
        except (ValueError, RecursionError) as error:
            raise _not_json(where, legible(str(error), 100), text) from error
        if not isinstance(value, dict):
            raise DataError(
                f"{where} is not a JSON object: {legible(text)}",
                'write every problem as an object: {"prompt": "..."}',
            )
        _check_object(value, where, text)
        yield Row(value, where)


def _not_json(where: str, reason: str, text: str) -> DataError:
    return DataError(
        f"{where} is not JSON: {reason}; seen: {legible(text)}",
        "a .jsonl file has one whole JSON object on every line",
    )


def _check_object(value: Mapping[str, object], where: str, text: str) -> None:
    """What JSON allows and nothing behind it can hold: endless nesting, halves of characters."""
    if text.count("[") + text.count("{") > DEEPEST and _depth(value) > DEEPEST:
        raise DataError(f"{where} is nested more than {DEEPEST} deep", "store it as text")
    if "\\u" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            half = str(error.object)[error.start]
            raise DataError(
                f"{where} has half of a character in it: {legible(half)}",
                "surrogates come in pairs; write the character itself, as UTF-8",
            ) from error


def _depth(value: object) -> int:
    """How deep a value is nested; level by level, for it may be deeper than Python may call."""
    level, depth = [value], 0
    while level := [part for whole in level for part in _parts(whole)]:
        depth += 1
    return depth


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = Counter(name for name, _ in pairs)
        raise ValueError(f'two values have the name "{legible(names.most_common(1)[0][0])}"')
    return found


def _constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON value, null is")


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {legible(text)} is too large")
    return number


_JSON = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_number)


def _csv(path: Path) -> Iterator[Row]:
    reader = csv.reader((line for _, line in _lines(path)), strict=True)
    names: list[str] = []
    before = 0
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
            before = reader.line_num
    except csv.Error as error:
        raise DataError(
            f"{path.name}, line {before + 1} is not CSV: {error}",
            "is a quote opened and never closed? quotes inside a field are doubled",
        ) from error


def _column_names(fields: list[str], where: str) -> list[str]:
    unnamed = [number for number, name in enumerate(fields, start=1) if not name.strip()]
    if unnamed:
        raise DataError(
            f"{where}: column {unnamed[0]} of {len(fields)} has no name",
            "the first line of a CSV file gives every column a name of its own",
        )
    doubled = [(name, times) for name, times in Counter(fields).items() if times > 1]
    if doubled:
        raise DataError(
            f'{where} names a column "{legible(doubled[0][0])}" {doubled[0][1]} times',
            "the first line of a CSV file gives every column a name of its own",
        )
    return fields


def _parquet(path: Path) -> Iterator[Row]:
    return numbered_rows(read_parquet(path), path.name, "row")


READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".jsonl": _jsonl,
    ".csv": _csv,
    ".parquet": _parquet,
    ".jsonl.gz": _jsonl,
    ".csv.gz": _csv,
}
"""How a file is read, by the end of its name."""
