"""Where the seconds of a stage's steps went, as HTML: a bar a step, the means, and a profile.

A step that was slowed down by looking at it, and the first one, enter no mean. Every name is escaped.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from cohort.report import charts, read
from cohort.report.html_groups import safe
from cohort.report.phases import PHASES, Operator, Profile, read_profile
from cohort.report.statistics import mean
from cohort.report.text import percent

Times = dict[int, tuple[float, ...]]
"""The seconds of each phase, in the order of PHASES, by step."""


def stage_phases(db: sqlite3.Connection, stage: int) -> str:
    """Phases of a stage and, where it was profiled, its operators; nothing of an older run."""
    times = _times(db, stage)
    if not times:
        return ""
    found = read_profile(db)
    profile = found if found is not None and found.stage == stage else None
    left_out = {1, *([profile.recorded_step] if profile else [])}
    counted = {step: own for step, own in times.items() if step not in left_out} or times
    used = mean([value for step, value in _used(db, stage) if step in counted])
    note = f"Means over {len(counted)} steps"
    note += ", without the first" if 1 not in counted else ""
    if profile:
        note += f" and without step {profile.recorded_step}, whose operators were recorded"
    return (
        '<h3>Where the time went</h3><div class="beside"><div class="scroll">'
        f"{_table(counted, profile)}</div><figure><figcaption><b>phases</b><small>seconds</small>"
        f"</figcaption>{charts.stacked('phases', PHASES, list(times.items()))}</figure></div>"
        f'<p class="note">{note}. Saving is that of the step before. {percent(used)} of the '
        f"threads' time was used.</p>{_operators(profile)}"
    )


def _times(db: sqlite3.Connection, stage: int) -> Times:
    columns = [dict(read.series(db, stage, f"time/{name}")) for name in PHASES]
    return {step: tuple(column.get(step) or 0.0 for column in columns) for step in columns[-1]}


def _used(db: sqlite3.Connection, stage: int) -> list[tuple[int, float]]:
    found = read.series(db, stage, "threads_used")
    return [(step, value) for step, value in found if value is not None]


def _table(counted: Times, profile: Profile | None) -> str:
    """A row per phase that took any time, and the whole step; a profile has columns of its own."""
    means = [mean(column) for column in zip(*counted.values(), strict=True)]
    columns = [("seconds a step", dict(zip(PHASES, means, strict=True)))]
    if profile:
        first, last = profile.steps
        columns.append((f"steps {first} to {last}", dict(profile.phases)))
    head = "".join(f"<th>{safe(title)}</th><th>share</th>" for title, _ in columns)
    rows = []
    for number, name in enumerate(PHASES):
        if any(own[name] for _, own in columns):
            cells = "".join(_cells(own[name], sum(own.values())) for _, own in columns)
            mark = f'<i class="swatch phase-{number}"></i>'
            rows.append(f"<tr><th>{mark}{safe(name.replace('_', ' '))}</th>{cells}</tr>")
    wholes = [sum(own.values()) for _, own in columns]
    rows.append(f"<tr><th>step</th>{''.join(_cells(whole, whole) for whole in wholes)}</tr>")
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _cells(seconds: float, whole: float) -> str:
    return f"<td>{seconds:.4f}</td><td>{percent(seconds / whole) if whole else '-'}</td>"


def _operators(profile: Profile | None) -> str:
    """The operators of each phase, the phase that takes most first."""
    if profile is None:
        return ""
    ranked = sorted(profile.operators, key=lambda name: -profile.phases[name])
    return "".join(_phase_operators(name, profile, profile.operators[name]) for name in ranked)


def _phase_operators(phase: str, profile: Profile, rows: Sequence[Operator]) -> str:
    body = "".join(
        f"<tr><th>{safe(row.name)}</th><td>{row.calls:,}</td><td>{row.seconds:.4f}</td>"
        f"<td>{percent(row.share)}</td></tr>"
        for row in rows
    )
    return (
        f"<details><summary>operators of {safe(phase.replace('_', ' '))}, step "
        f'{profile.recorded_step}</summary><div class="scroll"><table><thead><tr><th>operator</th>'
        "<th>calls</th><th>own seconds</th><th>share</th></tr></thead>"
        f"<tbody>{body}</tbody></table></div></details>"
    )
