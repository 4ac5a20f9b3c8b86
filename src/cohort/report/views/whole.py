"""A run at a glance: its facts, stages, held-out results, events, health and recipe.

Everything here is small whatever the length of the run, and is what the page asks for first.
"""

from __future__ import annotations

import json
import sqlite3
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cohort.report import read
from cohort.report.health.observed import observe
from cohort.report.health.signs import diagnose
from cohort.report.metrics import describe_metric
from cohort.report.summary import run_seconds
from cohort.report.text import one_line, showable
from cohort.report.views.curves import SECONDS, SPEED, metric_names, stages

MOST_EVENTS = 300
"""Events that are shown at most, the last ones."""

MOST_RECIPE = 200_000
"""Characters of a recipe that are shown at most."""

FIRST = {
    "reinforce": (
        "reward",
        "reward_std",
        "frac_reward_zero_std",
        "completions/mean_length",
        "entropy",
        "kl",
        "grad_norm",
    ),
    "supervised": ("loss", "token_accuracy", "grad_norm"),
    "select": ("kept", "reward", "dropped/duplicate", "completions/mean_length"),
    "reward-model": ("loss", "accuracy", "margin", "reward", "grad_norm"),
    "preference": ("loss", "rewards/margins", "rewards/accuracies", "reward", "grad_norm"),
}
"""The curves that are seen at once, by kind of stage; the other ones open with a click."""

DERIVED = {
    SECONDS: ("seconds", "What a step took by the clock, everything included.", "the step"),
    SPEED: (
        "tokens per second",
        "Sampled (or learned) tokens per second of the whole step; it falls where answers grow longer "
        "than the machine likes.",
        "the step",
    ),
}
"""Curves that are made of what the store keeps beside metrics: unit, meaning, over what."""


def whole(db: sqlite3.Connection, run: Path) -> dict[str, object]:
    """Everything that the page shows of a run before something is asked for."""
    facts = read.facts(db)
    return {
        "name": one_line(run.resolve().name),
        "recipe_name": one_line(str(facts.get("recipe", run.name))),
        "status": one_line(str(facts.get("status", "unknown"))),
        "seed": facts.get("seed"),
        "model": one_line(str(facts.get("model") or "?")),
        "parameters": facts.get("parameters"),
        "versions": facts.get("versions"),
        "seconds": run_seconds(db),
        "stages": [_stage(db, row) for row in stages(db)],
        "evaluations": [
            {"stage": e.stage, "after": one_line(e.after), "summary": e.summary}
            for e in read.evaluations(db)
        ],
        "examples": [
            {
                "prompt": showable(prompt),
                "before": showable(before),
                "after": showable(after),
                "right": [before_right, after_right],
            }
            for prompt, before, after, before_right, after_right in read.examples(db)
        ],
        "events": events(db),
        "health": [finding.told() for finding in diagnose(observe(db))],
        "recipe": recipe(run),
        "pulse": pulse(db),
    }


def pulse(db: sqlite3.Connection) -> dict[str, object]:
    """What changes when something happened: status, the last stage and step, how much was written down."""
    stage = db.execute("SELECT max(stage) FROM stages").fetchone()[0]
    step = db.execute("SELECT max(step) FROM steps WHERE stage = ?", (stage,)).fetchone()[0]
    row = db.execute("SELECT value FROM facts WHERE name = 'status'").fetchone()
    counts = [
        db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("events", "evaluations")
    ]
    status = one_line(str(json.loads(row[0]))) if row else "unknown"
    return {"status": status, "stage": stage, "step": step, "counts": counts}


def events(db: sqlite3.Connection) -> list[dict[str, object]]:
    """The last events, newest first, each with its place in the run."""
    has = any(row["name"] == "step" for row in db.execute("PRAGMA table_info(events)"))
    place = "stage, step" if has else "NULL AS stage, NULL AS step"
    rows = db.execute(
        f"SELECT time, level, text, {place} FROM events ORDER BY time DESC, rowid DESC LIMIT ?",
        (MOST_EVENTS,),
    )
    return [
        {
            "time": row["time"],
            "level": one_line(row["level"]),
            "text": showable(row["text"]),
            "stage": row["stage"],
            "step": row["step"],
        }
        for row in rows
    ]


def _stage(db: sqlite3.Connection, row: dict[str, object]) -> dict[str, object]:
    """A stage with its metrics, each described, those that are seen first at the front."""
    number, kind = row["stage"], str(row["kind"])
    assert isinstance(number, int), row
    names = metric_names(db, number)
    first = [name for name in FIRST.get(kind, ()) if name in names]
    first += [name for name in names if name.startswith("rewards/") and name.endswith("/mean")]
    rest = [name for name in names if name not in first]
    made = [SECONDS, *([SPEED] if "num_tokens" in names else [])] if names else []
    metrics = [_metric(name, kind, name in first) for name in [*first, *rest, *made]]
    return {**row, "name": one_line(str(row["name"])), "metrics": metrics}


def _metric(name: str, kind: str, first: bool) -> dict[str, object]:
    told: dict[str, object] = {"name": name, "shown": showable(name), "first": first}
    if name in DERIVED:
        unit, meaning, averaged = DERIVED[name]
        return told | {"unit": unit, "meaning": meaning, "averaged": averaged, "higher": "neither"}
    own = describe_metric(name, kind)
    if own is None:
        return told | {"unit": "", "meaning": "", "averaged": "", "higher": "neither"}
    return told | {
        "unit": own.unit,
        "meaning": showable(own.meaning),
        "averaged": own.averaged,
        "higher": own.higher_is,
    }


def recipe(run: Path) -> dict[str, object]:
    """The recipe as it was run: its text, and every option by its dotted name."""
    try:
        text = (run / "recipe.toml").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {"text": "", "options": {}}
    try:
        options = {showable(k): showable(v) for k, v in _flat(tomllib.loads(text)).items()}
    except tomllib.TOMLDecodeError:
        options = {}
    return {"text": showable(text[:MOST_RECIPE]), "options": options}


def _flat(value: Any, name: str = "") -> dict[str, str]:
    """Every value of nested tables by its dotted name, as text."""
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        value = {str(number): one for number, one in enumerate(value)}
    if not isinstance(value, Mapping):
        return {name: repr(value) if isinstance(value, str) else str(value)}
    found: dict[str, str] = {}
    for key, one in value.items():
        found |= _flat(one, f"{name}.{key}" if name else str(key))
    return found
