"""What stood for a label in a group of a stage without labels, as a run's store has it."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from cohort.report.text import one_line
from cohort.rewards.teacher.reference import COLUMN


def reference_of(db: sqlite3.Connection, group: int) -> dict[str, Any] | None:
    """The reference of a group by its id; None where it has none, or one that is the problem's own."""
    row = db.execute("SELECT columns FROM groups WHERE id = ?", (group,)).fetchone()
    found = None if row is None else json.loads(row["columns"]).get(COLUMN)
    return found if isinstance(found, dict) and {"text", "equality"} <= set(found) else None


def reference_lines(reference: dict[str, Any]) -> list[str]:
    """It in words: the text, its criteria, or why there is none."""
    missing = reference.get("missing")
    if missing:
        return [f"no reference: {one_line(missing[1])}"]
    lines = [f"reference: {reference['text']}"]
    lines += [
        f"criterion {n}: {one_line(c)}" for n, c in enumerate(reference.get("criteria", ()), 1)
    ]
    without = reference.get("without_criteria")
    return lines + ([f"no criteria: {one_line(without[1])}"] if without else [])
