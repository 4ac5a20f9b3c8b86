"""Where the time of a stage's steps went, what its reward functions did, and its profile.

Speed and memory are curves as others are, and asked for as such.
"""

from __future__ import annotations

import sqlite3
from dataclasses import asdict
from typing import Literal

from cohort.report.phases import PHASES, read_profile
from cohort.report.text import one_line
from cohort.report.views.curves import curve, metric_names, rounded

BARS = 60
"""Stretches of steps at most that the phases are shown in."""

OUTCOMES = ("scored", "unscorable", "failed", "retried", "slowest_seconds")
FAILED = "failed_"


def machine(db: sqlite3.Connection, stage: int) -> dict[str, object]:
    """Phases by stretch of steps with their means, the outcomes of each reward, a profile."""
    names = metric_names(db, stage)
    told = {name: curve(db, stage, f"time/{name}", points=BARS) for name in PHASES}
    found = {name: own for name, own in told.items() if own["steps"]}
    profile = read_profile(db)
    return {
        "stage": stage,
        "phases": {name: own["mean"] for name, own in found.items()},
        "steps": max((own["steps"] for own in found.values()), key=_size, default=[]),
        "rewards": rewards(db, stage, names),
        "profile": asdict(profile) if profile and profile.stage == stage else None,
    }


def _size(steps: object) -> int:
    assert isinstance(steps, list), steps
    return len(steps)


def rewards(db: sqlite3.Connection, stage: int, names: list[str]) -> list[dict[str, object]]:
    """For each reward function: how many answers it scored, could not or failed at, and its slowest call."""
    found: dict[str, dict[str, float]] = {}
    means: dict[str, float | None] = {}
    for name in names:
        head, _, rest = name.partition("/")
        function, _, statistic = rest.rpartition("/")
        if head != "rewards":
            continue
        if statistic == "mean":
            means[function] = _whole(db, stage, name, "avg")
        elif statistic in OUTCOMES or statistic.startswith(FAILED):
            worst = statistic == "slowest_seconds"
            value = _whole(db, stage, name, "max" if worst else "total")
            found.setdefault(function, {})[statistic] = value or 0.0
    return [
        {
            "function": one_line(function),
            **{name: rounded(own.get(name)) for name in OUTCOMES},
            "kinds": {
                one_line(name.removeprefix(FAILED)): value
                for name, value in own.items()
                if name.startswith(FAILED)
            },
            "value": rounded(means.get(function)),
        }
        for function, own in found.items()
    ]


def _whole(
    db: sqlite3.Connection, stage: int, name: str, kind: Literal["avg", "max", "total"]
) -> float | None:
    """One number of a whole series, which SQLite finds without handing the series over."""
    query = f"SELECT {kind}(value) FROM metrics WHERE stage = ? AND name = ?"
    return db.execute(query, (stage, name)).fetchone()[0]
