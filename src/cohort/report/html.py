"""`report.html`: a whole run in one file, to be opened from disk or mailed.

It refuses the network: no font, script or picture comes from elsewhere, and a content policy in the
page forbids any script but the one that is written here. All text of problems and models is
escaped. It can be written at any moment of a run, also of one that was killed.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sqlite3
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from cohort.report import charts, read
from cohort.report.html_evaluations import examples, held_out
from cohort.report.html_groups import safe, stage_groups
from cohort.report.html_phases import stage_phases
from cohort.report.metrics import describe_metric
from cohort.report.summary import run_seconds, stage_seconds
from cohort.report.text import duration, number

GROUPS_BYTES = 3_500_000
"""What the groups of all stages may take; curves and the rest stay far below the other 1.5 MB."""

FIRST_CURVES = {
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
"""The curves that are seen at once; the other ones open with a click."""


def write_report(run: Path) -> Path:
    """Write `report.html` into the run's folder and return its path.

    Written aside and renamed, so that a reader never sees half of it. Raises RunError where there
    is no run.
    """
    with read.opened(run) as db:
        page = _page(db, run)
    path = run / "report.html"
    aside = path.with_name(f"report.html.{os.getpid()}.part")
    aside.write_text(page, encoding="utf-8")
    os.replace(aside, path)
    return path


def _page(db: sqlite3.Connection, run: Path) -> str:
    style, script = _resource("page.css"), _resource("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    title = safe(f"{read.facts(db).get('recipe', run.name)} - Cohort")
    body = [_header(db, run), held_out(db), examples(db), _events(db)]
    stages = read.stages(db)
    with_groups = {place.stage for place in read.group_places(db)}
    for row in stages:
        budget = GROUPS_BYTES // len(with_groups) if row.stage in with_groups else 0
        body.append(_stage(db, row, budget))
    body.append(_recipe(run))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{title}</title>'
        f"<style>{style}</style></head><body><main>{''.join(body)}</main>"
        f"<script>{script}</script></body></html>\n"
    )


def _resource(name: str) -> str:
    return resources.files("cohort.report").joinpath(name).read_text(encoding="utf-8")


def _header(db: sqlite3.Connection, run: Path) -> str:
    facts = read.facts(db)
    rows = {
        "model": _model(facts, run),
        "seed": facts.get("seed", "?"),
        "status": facts.get("status", "unknown"),
        "time": duration(run_seconds(db)),
        "run": run.resolve().name,
    }
    items = "".join(f"<div><dt>{k}</dt><dd>{safe(str(v))}</dd></div>" for k, v in rows.items())
    versions = facts.get("versions")
    known = versions.items() if isinstance(versions, Mapping) else ()
    small = ", ".join(f"{name} {version}" for name, version in known)
    return (
        f"<header><h1>{safe(str(facts.get('recipe', run.name)))}</h1><dl>{items}</dl>"
        f'<p class="note">{safe(small)}</p></header>'
    )


def _model(facts: Mapping[str, object], run: Path) -> str:
    """The model to begin with and its size, from the run's facts or else its recipe."""
    count = facts.get("parameters")
    size = f", {count:,} parameters" if isinstance(count, int) else ""
    name = facts.get("model") or _recipes_model(run)
    return f"{'a new one' if name == 'new' else name}{size}"


def _recipes_model(run: Path) -> str:
    """What the recipe names; a question mark where the recipe cannot be read."""
    try:
        recipe = tomllib.loads((run / "recipe.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "?"
    model = recipe.get("model", "?")
    return model if isinstance(model, str) else str(model.get("path") or "new")


def _events(db: sqlite3.Connection) -> str:
    """What somebody should look at: the lines that are not mere information."""
    found = [event for event in read.events(db) if event.level != "info"][-20:]
    items = "".join(f"<li><b>{safe(e.level)}</b> {safe(e.text)}</li>" for e in found)
    return f"<section><h2>To look at</h2><ul>{items}</ul></section>" if found else ""


def _stage(db: sqlite3.Connection, row: read.StageRow, budget_bytes: int) -> str:
    """A stage: what it cost, its curves, and its groups where it has any."""
    names = read.metric_names(db, row.stage)
    if not names and not budget_bytes:
        return ""
    first = [name for name in FIRST_CURVES.get(row.kind, ()) if name in names]
    first += [name for name in names if name.startswith("rewards/") and name.endswith("/mean")]
    others = [name for name in names if name not in first and not name.startswith("time/")]
    parts = [
        f"<section><h2>{safe(row.name)} <small>{safe(_cost(db, row))}</small></h2>",
        _curves(db, row, first),
    ]
    if others:
        more = _curves(db, row, others)
        parts.append(f"<details><summary>{len(others)} more curves</summary>{more}</details>")
    parts.append(stage_phases(db, row.stage))
    if budget_bytes:
        kept = stage_groups(db, row.stage, budget_bytes)
        parts.append(
            f"<h3>Groups</h3><p>From {kept.steps} of {kept.all_steps} steps. A group is "
            "one problem asked several times; its answers are compared with each other, and those "
            f"with a positive advantage (green) become likelier.</p>{kept.html}"
        )
    return "".join(parts) + "</section>"


def _cost(db: sqlite3.Connection, row: read.StageRow) -> str:
    parts = [row.kind, f"{row.steps_done} of {row.steps} steps", duration(stage_seconds(db, row))]
    for name, count in (("sampled", row.sampled_tokens), ("trained on", row.trained_tokens)):
        if count:
            parts.append(f"{count:,} tokens {name}")
    return ", ".join(parts)


def _curves(db: sqlite3.Connection, row: read.StageRow, names: Sequence[str]) -> str:
    figures = "".join(_figure(name, row, read.series(db, row.stage, name)) for name in names)
    return f'<div class="curves" data-stage="{row.stage}">{figures}</div>'


def _figure(name: str, row: read.StageRow, points: charts.Points) -> str:
    """A curve with its name, last value, unit and meaning."""
    metric = describe_metric(name, row.kind)
    last = next((value for _, value in reversed(points) if value is not None), None)
    stretch = charts.thinned(points)[1]
    how = [metric.averaged] if metric else []
    how += [f"each point is the mean of {stretch} steps"] if stretch > 1 else []
    note = "".join(f" <i>{safe(part[0].upper() + part[1:])}.</i>" for part in how)
    unit, meaning = (safe(metric.unit), safe(metric.meaning)) if metric else ("", "")
    return (
        f"<figure><figcaption><b>{safe(name)}</b><output>{number(last)}</output>"
        f"<small>{unit}</small></figcaption>{charts.curve(name, points)}"
        f"<p>{meaning}{note}</p></figure>"
    )


def _recipe(run: Path) -> str:
    """The recipe as it was run, where it is there."""
    path = run / "recipe.toml"
    if not path.is_file():
        return ""
    text = path.read_text(encoding="utf-8", errors="replace")
    return f"<details><summary>recipe.toml</summary><pre>{safe(text)}</pre></details>"
