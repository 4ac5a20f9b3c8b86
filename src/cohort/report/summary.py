"""A whole run in one dictionary (`cohort report RUN --json`), and the same as plain text.

What is not known, because the run goes on or was killed, is None. The dictionary is strict JSON:
it holds no NaN and no infinity.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from cohort.report import read
from cohort.report.lines import evaluation as evaluation_line
from cohort.report.text import duration, number, showable


def summarize(run: Path) -> dict[str, object]:
    """The run: its facts, its stages with their first and last metrics, its evaluations in order.

    `status` is as the run wrote it last: a run that was killed says "running". `seconds` is what
    the run says, or else what its stages took so far. Raises RunError where there is no run.
    """
    with read.opened(run) as db:
        facts, rows = read.facts(db), read.stages(db)
        return {
            "run": str(run),
            "recipe": {"name": facts.get("recipe"), "seed": facts.get("seed")},
            "status": facts.get("status"),
            "seconds": run_seconds(db),
            "versions": facts.get("versions"),
            "stages": [_stage(db, row) for row in rows],
            "held_out": [{"stage": e.after, **e.summary} for e in read.evaluations(db)],
        }


def plain(run: Path) -> str:
    """The run as a few lines of text: its stages, their last metrics, its evaluations."""
    with read.opened(run) as db:
        text = [headline(db, run), ""]
        for row in read.stages(db):
            text += stage_lines(db, row)
        text += [evaluation_line(e.after, e.summary) for e in read.evaluations(db)]
        return "\n".join(text) + "\n"


def headline(db: sqlite3.Connection, run: Path) -> str:
    """The run on one line: where, which recipe and seed, its status and what it took."""
    facts = read.facts(db)
    parts = [str(run), f"recipe {facts.get('recipe', '?')}", f"seed {facts.get('seed', '?')}"]
    parts += [str(facts.get("status", "?")), duration(run_seconds(db))]
    return showable(", ".join(parts))


def stage_lines(db: sqlite3.Connection, row: read.StageRow) -> list[str]:
    """A stage with what its first and its last step measured, one metric a line."""
    progress = f"{row.steps_done}/{row.steps} steps, " if row.steps else ""
    head = (
        f"stage {row.stage}: {row.name} ({row.kind}), {progress}{duration(stage_seconds(db, row))}"
    )
    done = [step for step, _ in read.steps(db, row.stage)]
    if not done:
        return [showable(head), ""]
    first = read.metrics_of_step(db, row.stage, done[0])
    last = read.metrics_of_step(db, row.stage, done[-1])
    body = [
        f"  {name:<42} {number(first.get(name)):>10} -> {number(last.get(name)):>10}"
        for name in read.metric_names(db, row.stage)
    ]
    return [showable(line) for line in [head, *body]] + [""]


def _stage(db: sqlite3.Connection, row: read.StageRow) -> dict[str, object]:
    done = [step for step, _ in read.steps(db, row.stage)]
    return {
        "name": row.name,
        "kind": row.kind,
        "steps": row.steps_done,
        "steps_planned": row.steps,
        "seconds": stage_seconds(db, row),
        "sampled_tokens": row.sampled_tokens,
        "trained_tokens": row.trained_tokens,
        "first": read.metrics_of_step(db, row.stage, done[0]) if done else {},
        "last": read.metrics_of_step(db, row.stage, done[-1]) if done else {},
    }


def run_seconds(db: sqlite3.Connection) -> float:
    """What the run took: as it said at its end, or else its stages so far."""
    said = read.facts(db).get("seconds")
    if isinstance(said, (int, float)):
        return float(said)
    return sum(stage_seconds(db, row) for row in read.stages(db))


def stage_seconds(db: sqlite3.Connection, row: read.StageRow) -> float:
    """What the stage took: as it said at its end, or else its steps so far."""
    if row.seconds is not None:
        return row.seconds
    return sum(seconds for _, seconds in read.steps(db, row.stage))
