"""Curves of a stage, thin enough to draw: what a metric was over the steps.

A curve of 10,000 steps becomes at most `POINTS` stretches of equal length, each with its mean, its lowest
and its highest value. A value that was not finite is a gap.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping

from cohort.report import read

POINTS = 400
"""Stretches of a curve at most: about one a pixel or two."""

PARTS = ("mean", "low", "high")
"""What is known of a stretch."""

SECONDS, SPEED = "step/seconds", "step/tokens_per_second"
"""Curves that are no metrics: what a step took by the clock, and the tokens it added per second."""

_METRIC = "SELECT step, value FROM metrics WHERE stage = :stage AND name = :name"
_SECONDS = "SELECT step, seconds AS value FROM steps WHERE stage = :stage"
_SPEED = """
SELECT m.step, (m.value - lag(m.value, 1, 0.0) OVER (ORDER BY m.step)) / max(s.seconds, 1e-9) AS value
FROM metrics m JOIN steps s ON s.stage = m.stage AND s.step = m.step
WHERE m.stage = :stage AND m.name = 'num_tokens'
"""
_SOURCES = {SECONDS: _SECONDS, SPEED: _SPEED}

_THINNED = """
SELECT max(step), avg(known), min(known), max(known)
FROM (SELECT step, CASE WHEN abs(value) < 1e308 THEN value END AS known FROM ({}))
GROUP BY (step - :first) / :stretch ORDER BY 1
"""
"""SQLite does it without handing out the rows, and without holding up other threads."""

_NAMES = """
WITH RECURSIVE found(name) AS (
  SELECT min(name) FROM metrics WHERE stage = :stage
  UNION ALL
  SELECT (SELECT min(name) FROM metrics WHERE stage = :stage AND name > found.name)
  FROM found WHERE found.name IS NOT NULL)
SELECT name FROM found WHERE name IS NOT NULL
"""


def metric_names(db: sqlite3.Connection, stage: int) -> list[str]:
    """The metrics of a stage, by a jump in the index from each to the next."""
    return [row["name"] for row in db.execute(_NAMES, {"stage": stage})]


def ends(db: sqlite3.Connection, stage: int) -> tuple[int, int] | None:
    """The first and the last step that is done; None where there is none."""
    row = db.execute(
        "SELECT (SELECT min(step) FROM steps WHERE stage = :stage) AS first, "
        "(SELECT max(step) FROM steps WHERE stage = :stage) AS last",
        {"stage": stage},
    ).fetchone()
    return None if row["first"] is None else (row["first"], row["last"])


def curve(
    db: sqlite3.Connection, stage: int, name: str, *, points: int = POINTS
) -> Mapping[str, object]:
    """A metric over the steps of a stage: `steps`, and for each `mean`, `low` and `high`.

    stretch: how many steps a point stands for; it is named by the last of them.
    """
    first, last = ends(db, stage) or (0, 0)
    stretch = max(1, math.ceil((last - first + 1) / points))
    given = {"stage": stage, "name": name, "first": first, "stretch": stretch}
    cursor = db.cursor()
    cursor.row_factory = None  # plain tuples
    rows = cursor.execute(_THINNED.format(_SOURCES.get(name, _METRIC)), given).fetchall()
    steps, *drawn = map(list, zip(*rows, strict=True)) if rows else ([], [], [], [])
    parts = {part: [rounded(v) for v in own] for part, own in zip(PARTS, drawn, strict=True)}
    return {"steps": steps, **parts, "stretch": stretch}


def rounded(value: float | None, digits: int = 6) -> float | None:
    """A number with so many significant figures; None where it is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{digits}g}")


def stages(db: sqlite3.Connection) -> list[dict[str, object]]:
    """The stages in order, each with its place, what it cost and whether it has groups."""
    found: list[dict[str, object]] = []
    for row in read.stages(db):
        groups = db.execute("SELECT 1 FROM groups WHERE stage = ? LIMIT 1", (row.stage,)).fetchone()
        found.append(
            {
                "stage": row.stage,
                "name": row.name,
                "kind": row.kind,
                "steps": row.steps,
                "done": row.steps_done,
                "seconds": row.seconds,
                "sampled_tokens": row.sampled_tokens,
                "trained_tokens": row.trained_tokens,
                "groups": groups is not None,
            }
        )
    return found
