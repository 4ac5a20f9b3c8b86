"""Whether two runs are the same run: weights, optimizer and run.db, times aside."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

TIMES = (
    "name NOT LIKE 'time/%' AND name NOT LIKE 'memory/%' AND name NOT LIKE '%/slowest_seconds' "
    "AND name NOT IN ('threads_used', 'teacher/seconds')"
)
QUERIES = {
    "facts": "SELECT * FROM facts WHERE name != 'seconds' ORDER BY name",
    "stages": "SELECT stage, name, kind, steps, sampled_tokens, trained_tokens FROM stages",
    "steps": "SELECT stage, step FROM steps ORDER BY stage, step",
    "metrics": f"SELECT * FROM metrics WHERE {TIMES} ORDER BY stage, step, name",
    "groups": "SELECT * FROM groups ORDER BY id",
    "rollouts": "SELECT * FROM rollouts ORDER BY group_id, number",
    "scores": "SELECT * FROM scores ORDER BY group_id, number, function",
    "evaluations": "SELECT id, stage, after, summary FROM evaluations ORDER BY id",
    "answers": "SELECT * FROM answers ORDER BY evaluation, problem, sample",
    "events": "SELECT level, text, stage, step FROM events",
}
"""Everything in run.db except when it happened, and which processes it took (`sittings`)."""


def differences(one: Path, other: Path) -> list[str]:
    """What differs between two finished runs; empty where nothing does."""
    return [
        *_files(one / "model", other / "model"),
        *_files(_last(one), _last(other)),
        *_products(one, other),
        *_stores(one, other),
    ]


def _products(one: Path, other: Path) -> list[str]:
    """What differs in what stages left for later ones."""
    left, right = one / "stages", other / "stages"
    names = {path.name for run in (left, right) if run.is_dir() for path in run.iterdir()}
    found = []
    for name in sorted(names):
        both = (left / name).is_dir() and (right / name).is_dir()
        found += _files(left / name, right / name) if both else [f"stages/{name}"]
    return found


def _last(run: Path) -> Path:
    """The folder of the newest checkpoint."""
    return max((run / "checkpoints").glob("step-*"))


def _files(one: Path, other: Path) -> list[str]:
    names = {
        str(path.relative_to(folder))
        for folder in (one, other)
        for path in folder.rglob("*")
        if path.is_file()
    }
    if one.name != other.name:
        return [f"{one.name} against {other.name}"]
    return [
        f"{one.name}/{name}"
        for name in sorted(names)
        if not ((one / name).is_file() and (other / name).is_file())
        or (one / name).read_bytes() != (other / name).read_bytes()
    ]


def _stores(one: Path, other: Path) -> list[str]:
    found = []
    for table, query in QUERIES.items():
        before, after = (_rows(run, query) for run in (one, other))
        if before != after:
            first = next((p for p in zip(before, after, strict=False) if p[0] != p[1]), None)
            found.append(
                f"run.db {table}: {len(before)} rows, {len(after)} rows, {str(first)[:300]}"
            )
    return found


def _rows(run: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(run / "run.db")) as db:
        rows = db.execute(query).fetchall()
    return [tuple(_timeless(value) for value in row) for row in rows]


def _timeless(value: Any) -> Any:
    """A summary without its seconds; everything else as it is."""
    if isinstance(value, str) and value.startswith("{") and '"seconds"' in value:
        read = json.loads(value)
        read.pop("seconds")
        return json.dumps(read, sort_keys=True)
    return value
