"""Where the seconds of a step went: the names of its phases, and a profile of some of the steps.

A profile is of one stage: the phases of a few steps, measured as in every run, and the operators
of one further step, which is slower because they are recorded. It is kept as the fact `profile` of
the run and as profile.json.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cohort.report import read
from cohort.report.text import percent

PHASES = (
    "sampling",
    "rewards",
    "old_logprobs",
    "reference_logprobs",
    "values",
    "update",
    "saving",
    "other",
)
"""The phases of a step, in its order; each is the metric `time/NAME`, and they add up to the step."""


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator in a phase: its calls, its own seconds, and their share of the phase's operators."""

    name: str
    calls: int
    seconds: float
    share: float


@dataclass(frozen=True, slots=True)
class Profile:
    """Means over the measured steps, the first and the last of them named, and operators by phase.

    seconds: a step's. recorded_step, recorded_seconds: the step with the operators, and what it
    took with the profiler on.
    """

    stage: int
    name: str
    steps: tuple[int, int]
    seconds: float
    phases: Mapping[str, float]
    threads: int
    threads_used: float
    recorded_step: int
    recorded_seconds: float
    operators: Mapping[str, Sequence[Operator]]


def read_profile(db: sqlite3.Connection) -> Profile | None:
    """The profile of a run, where it has one."""
    found = read.facts(db).get("profile")
    if not isinstance(found, dict):
        return None
    tables = found["operators"]
    operators = {phase: tuple(Operator(**row) for row in tables[phase]) for phase in tables}
    return Profile(**(found | {"operators": operators, "steps": tuple(found["steps"])}))


def profile_lines(profile: Profile) -> list[str]:
    """A profile for the terminal: the phases by share, and the operators of the largest two."""
    first, last = profile.steps
    ranked = sorted(profile.phases.items(), key=lambda phase: -phase[1])
    shares = [f"{name} {percent(s / profile.seconds)}" for name, s in ranked if s > 0]
    lines = [
        f"where the time went, steps {first} to {last}: {profile.seconds:.2f} s a step, "
        f"{percent(profile.threads_used)} of {_threads(profile.threads)} used",
        f"  {', '.join(shares)}",
    ]
    for name in [name for name, _ in ranked if name in profile.operators][:2]:
        rows = profile.operators[name][:3]
        shown = ", ".join(f"{row.name.removeprefix('aten::')} {percent(row.share)}" for row in rows)
        lines.append(f"  operators of {name}: {shown}")
    return [
        *lines,
        f"  step {profile.recorded_step} took {profile.recorded_seconds:.2f} s with the operators "
        "recorded; all of them are in report.html and profile.json",
    ]


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"
