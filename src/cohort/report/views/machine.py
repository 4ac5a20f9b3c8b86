"""Where the time of a stage's steps went, what its reward functions did, and its profile."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict

from cohort.report.phases import PHASES, read_profile
from cohort.report.statistics import mean
from cohort.report.text import one_line
from cohort.report.views.curves import SECONDS, SPEED, curve, metric_names, rounded, values

BARS = 60
"""Stretches of steps at most that the phases are shown in."""

OUTCOMES = ("scored", "unscorable", "failed", "retried", "slowest_seconds")
FAILED = "failed_"


def machine(db: sqlite3.Connection, stage: int) -> dict[str, object]:
    """Phases by stretch of steps with their means, speed, the outcomes of each reward, a profile."""
    names = metric_names(db, stage)
    told = {name: curve(db, stage, f"time/{name}", points=BARS) for name in PHASES}
    found = {name: own for name, own in told.items() if own["steps"]}
    profile = read_profile(db)
    return {
        "stage": stage,
        "phases": {name: own["mean"] for name, own in found.items()},
        "steps": max((own["steps"] for own in found.values()), key=_size, default=[]),
        "seconds": curve(db, stage, SECONDS),
        "speed": curve(db, stage, SPEED) if "num_tokens" in names else None,
        "used": curve(db, stage, "threads_used") if "threads_used" in names else None,
        "memory": [name for name in names if name.startswith("memory/")],
        "rewards": rewards(db, stage, names),
        "profile": asdict(profile) if profile and profile.stage == stage else None,
    }


def _size(steps: object) -> int:
    assert isinstance(steps, list), steps
    return len(steps)


def rewards(db: sqlite3.Connection, stage: int, names: list[str]) -> list[dict[str, object]]:
    """For each reward function: how many answers it scored, could not or failed at, and its slowest call."""
    found: dict[str, dict[str, float]] = {}
    for name in names:
        head, _, rest = name.partition("/")
        function, _, statistic = rest.rpartition("/")
        if head == "rewards" and (statistic in OUTCOMES or statistic.startswith(FAILED)):
            total, highest = db.execute(
                "SELECT total(value), max(value) FROM metrics WHERE stage = ? AND name = ?",
                (stage, name),
            ).fetchone()
            found.setdefault(function, {})[statistic] = (
                highest if statistic == "slowest_seconds" else total
            )
    return [
        {
            "function": one_line(function),
            **{name: rounded(own.get(name)) for name in OUTCOMES},
            "kinds": {
                one_line(name.removeprefix(FAILED)): value
                for name, value in own.items()
                if name.startswith(FAILED)
            },
            "value": _mean(db, stage, f"rewards/{function}/mean"),
        }
        for function, own in found.items()
    ]


def _mean(db: sqlite3.Connection, stage: int, name: str) -> float | None:
    own = values(db, stage, name)
    return rounded(mean(own)) if own else None
