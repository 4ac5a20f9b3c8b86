"""Curves of a stage, thin enough to draw: what a metric was over the steps.

A curve of 10,000 steps becomes at most `POINTS` stretches of equal length, each with its mean, its lowest
and its highest value. A value that was not finite is a gap.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping

import numpy as np

from cohort.report import read

POINTS = 400
"""Stretches of a curve at most: about one a pixel or two."""

SECONDS, SPEED = "step/seconds", "step/tokens_per_second"
"""Curves that are no metrics: what a step took by the clock, and the tokens it added per second."""

_METRIC = "SELECT step, value FROM metrics WHERE stage = :stage AND name = :name ORDER BY step"
_SECONDS = "SELECT step, seconds FROM steps WHERE stage = :stage ORDER BY step"
_SPEED = """
SELECT m.step, (m.value - lag(m.value, 1, 0.0) OVER (ORDER BY m.step)) / max(s.seconds, 1e-9)
FROM metrics m JOIN steps s ON s.stage = m.stage AND s.step = m.step
WHERE m.stage = :stage AND m.name = 'num_tokens' ORDER BY m.step
"""
_SOURCES = {SECONDS: _SECONDS, SPEED: _SPEED}

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
    cursor = db.cursor()
    cursor.row_factory = None  # plain tuples: there may be tens of thousands
    rows = cursor.execute(_SOURCES.get(name, _METRIC), {"stage": stage, "name": name}).fetchall()
    if not rows:
        return {"steps": [], "mean": [], "low": [], "high": [], "stretch": 1}
    steps = np.array([step for step, _ in rows])
    known = np.array([math.nan if value is None else value for _, value in rows])
    known[~np.isfinite(known)] = math.nan
    first, last = ends(db, stage) or (steps[0], steps[-1])
    stretch = max(1, math.ceil((last - first + 1) / points))
    begins = np.flatnonzero(np.diff((steps - first) // stretch, prepend=-1))
    counts = np.add.reduceat(np.isfinite(known), begins, dtype=float)
    with np.errstate(all="ignore"):  # a stretch without a value is 0 / 0, which is a gap
        drawn = {
            "mean": np.add.reduceat(np.nan_to_num(known), begins) / counts,
            "low": np.fmin.reduceat(known, begins),
            "high": np.fmax.reduceat(known, begins),
        }
    kept: dict[str, object] = {
        part: [rounded(v) for v in own.tolist()] for part, own in drawn.items()
    }
    at = np.append(begins[1:], len(steps)) - 1
    return {"steps": steps[at].tolist(), **kept, "stretch": stretch}


def values(db: sqlite3.Connection, stage: int, name: str, points: int = POINTS) -> list[float]:
    """The finite means of a curve, in order."""
    own = curve(db, stage, name, points=points)["mean"]
    assert isinstance(own, list)
    return [value for value in own if value is not None]


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
