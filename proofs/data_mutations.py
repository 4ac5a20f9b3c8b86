"""Ways to spoil a file of problems: its bytes, its lines, its rows, or the file itself.

Rows are spoilt before they are written, in whichever format; bytes afterwards. Each is a function of
what is there and a generator.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from proofs.recipe_mutations import Random, choice

Rows = list[dict[str, Any]]
FORMATS = (".jsonl", ".csv", ".parquet", ".jsonl.gz", ".csv.gz")


def good_rows(random: Random) -> Rows:
    """Rows that every format can hold and that train: a prompt, an answer, sometimes more."""
    count = int(random.integers(1, 30))
    rows: Rows = [{"prompt": f"{n}+{n % 7}= ü", "answer": str(n + n % 7)} for n in range(count)]
    if random.random() < 0.3:
        rows = [{"id": f"id~{n}", **row} for n, row in enumerate(rows)]
    return rows


def written(rows: Rows, form: str) -> bytes:
    """The rows as a file of that format, uncompressed."""
    if form.startswith(".jsonl"):
        return "".join(
            json.dumps(row, ensure_ascii=False, default=repr) + "\n" for row in rows
        ).encode("utf-8", "surrogatepass")
    if form == ".parquet":
        return _parquet(rows)
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([row.get(name, "") for name in names] for row in rows)
    return text.getvalue().encode("utf-8", "surrogatepass")


def _parquet(rows: Rows) -> bytes:
    names = list(dict.fromkeys(name for row in rows for name in row))
    try:
        table = pyarrow.Table.from_pylist(rows)
    except (pyarrow.ArrowException, UnicodeEncodeError, OverflowError):  # a column of several types
        own = [[json.dumps(row.get(name), default=repr) for row in rows] for name in names]
        table = pyarrow.table(own, names=names)
    sink = io.BytesIO()
    parquet.write_table(table, sink, row_group_size=10)
    return sink.getvalue()


PROMPTS = (
    "",
    "  \n",
    None,
    7,
    1.5,
    float("nan"),
    float("inf"),
    True,
    [],
    {},
    ["a"],
    [{"role": "user"}],
)
PROMPTS += ([{"role": 1, "content": "x"}], [[["deep"]]], "\ud800", "a\0b", "x" * 200_000, 10**4000)
PROMPTS += ({"a": {"b": None}}, [{"role": "user", "content": ""}], "\u2028", "\x1b[31m", [None])


def _row(rows: Rows, random: Random) -> dict[str, Any]:
    return choice(random, rows)


def _prompts(rows: Rows, random: Random) -> None:
    for _ in range(int(random.integers(1, 4))):
        _row(rows, random)["prompt"] = choice(random, PROMPTS)


def _deep(rows: Rows, random: Random) -> None:
    value: Any = 1
    for _ in range(int(choice(random, (30, 60, 200)))):
        value = [value] if random.random() < 0.5 else {"a": value}
    _row(rows, random)["answer"] = value


def _same_ids(rows: Rows, random: Random) -> None:
    for row in rows:
        row["id"] = choice(random, ("a", 1, "1", "", None, "x~2", "b", [1], " "))


def _every(rows: Rows, change: Callable[[dict[str, Any]], object]) -> None:
    for row in rows:
        change(row)


ROWS: dict[str, Callable[[Rows, Random], object]] = {
    "prompts": _prompts,
    "a row without a prompt": lambda rows, r: _row(rows, r).pop("prompt"),
    "no prompts": lambda rows, r: _every(rows, lambda row: row.pop("prompt")),
    "no answers": lambda rows, r: _every(rows, lambda row: row.pop("answer")),
    "an answer of another type": lambda rows, r: _row(rows, r).update(answer=choice(r, PROMPTS)),
    "deep": _deep,
    "ids": _same_ids,
    "a taken name": lambda rows, r: _every(rows, lambda row: row.update(completions="x")),
    "many columns": lambda rows, r: _row(rows, r).update({f"c{n}": n for n in range(3000)}),
    "odd names": lambda rows, r: _row(rows, r).update(
        {choice(r, ("a\nb", "x" * 9000, "\x1b[2J", "é")): 1}
    ),
    "no rows": lambda rows, r: rows.clear(),
}
"""Spoilt rows, by name."""


def _flipped(raw: bytes, random: Random) -> bytes:
    spoilt = bytearray(raw)
    for _ in range(int(random.integers(1, 8))):
        spoilt[int(random.integers(len(spoilt)))] ^= 1 << int(random.integers(8))
    return bytes(spoilt)


def _inserted(raw: bytes, random: Random, pieces: tuple[bytes, ...]) -> bytes:
    place = int(random.integers(len(raw) + 1))
    return raw[:place] + choice(random, pieces) + raw[place:]


LINES = (
    b"[1, 2]\n",
    b"7\n",
    b"null\n",
    b"{\n",
    b'{"prompt": }\n',
    b'"text"\n',
    b"{}{}\n",
    b"nope\n",
)
LINES += (b'{"prompt": NaN}\n', b'{"prompt": "a", "prompt": "b"}\n', b'{"prompt": "\\ud800"}\n')
LINES += (b'{"a": 1e999, "prompt": "x"}\n', b"[" * 100_000, b'{"a":' * 900 + b"1" + b"}" * 900)
LINES += (
    b'{"prompt": "a"}',
    b"{'prompt': 'a'}\n",
    b'{"prompt": "a",}\n',
    b'"open\n',
    b"a,b,c,d,e\n",
)
LINES += (
    b'{"n": ' + b"9" * 5000 + b"}\n",
    b'"x"y,z\n',
    b",\n",
    b",,,,\n",
    b'""\n',
    b"\n\n\n",
    b"\r",
)
LINES += (
    b'"' + b"x" * 200_000 + b'",1\n',
    b'{"id": "\\u0000", "prompt": "q"}\n',
    b"# comment\n",
    b"{} {}\n",
)


def _line(raw: bytes, random: Random) -> bytes:
    lines = raw.splitlines(keepends=True)
    lines.insert(int(random.integers(len(lines) + 1)), choice(random, LINES))
    return b"".join(lines)


def _header(raw: bytes, random: Random) -> bytes:
    heads = (
        b"prompt,prompt",
        b",prompt",
        b"prompt,",
        b" , ",
        b"",
        b'"prompt,answer',
        b"Prompt,Answer",
    )
    heads += (
        b",".join([b"c"] * 100_000),
        b"\xef\xbb\xbfprompt,answer",
        b"prompt;answer",
        b"prompt\tanswer",
    )
    _, _, rest = raw.partition(b"\n")
    return choice(random, heads) + b"\n" + rest


BYTES: dict[str, Callable[[bytes, Random], bytes]] = {
    "bits": _flipped,
    "cut": lambda raw, r: raw[: int(r.integers(len(raw) + 1))],
    "begun later": lambda raw, r: raw[int(r.integers(len(raw) + 1)) :],
    "a line": _line,
    "header": _header,
    "byte-order mark": lambda raw, r: b"\xef\xbb\xbf" + raw,
    "UTF-16": lambda raw, r: raw.decode("utf-8", "ignore").encode(
        choice(r, ("utf-16", "utf-16-le"))
    ),
    "Latin-1": lambda raw, r: raw.decode("utf-8", "ignore").encode("latin-1", "replace"),
    "NUL": lambda raw, r: _inserted(raw, r, (b"\0", b"\0" * 512)),
    "CRLF": lambda raw, r: raw.replace(b"\n", b"\r\n"),
    "CR": lambda raw, r: raw.replace(b"\n", b"\r"),
    "inserted": lambda raw, r: _inserted(
        raw, r, (b'"', b"{", b"}", b",", b"\\", b"\n", b"\xff", b"\x1b")
    ),
    "doubled": lambda raw, r: raw + raw,
    "garbage": lambda raw, r: r.bytes(int(r.integers(0, 4000))),
}
"""Spoilt bytes, by name; of a compressed file they are spoilt before it is compressed, or after."""

MEGABYTES_20 = 20_000_000
LARGE: dict[str, Callable[[str], bytes]] = {
    "one huge line": lambda form: b'{"prompt": "' + b"x" * MEGABYTES_20 + b'"}\n',
    "a huge field": lambda form: b'prompt,answer\n"' + b"x" * MEGABYTES_20 + b'",1\n',
    "a bomb of spaces": lambda form: b" " * 3 * MEGABYTES_20,
    "a bomb of rows": lambda form: (b'{"prompt": "' + b"same " * 200 + b'"}\n') * 25_000,
    "a bomb of lines": lambda form: b"\n" * MEGABYTES_20,
}
"""Files of many megabytes; a few of them are enough."""


def compressed(raw: bytes, form: str) -> bytes:
    """The bytes as they lie on the disk in that format."""
    return gzip.compress(raw, compresslevel=1) if form.endswith(".gz") else raw


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


ODD: dict[str, Callable[[Path], object]] = {
    "a folder": lambda path: path.mkdir(),
    "a pipe": lambda path: os.mkfifo(path),
    "a loop of links": _loop,
    "a broken link": lambda path: path.symlink_to("nowhere"),
    "a link to memory": lambda path: path.symlink_to("/proc/self/mem"),
    "a link to zeros": lambda path: path.symlink_to("/dev/zero"),
    "nothing": lambda path: None,
}
"""What can be in a file's place, by name."""
