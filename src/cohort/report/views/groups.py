"""Groups as the page shows them: those of a step as rows, one with its answers, one problem over time.

Texts are made showable, and no number that is not finite leaves here. A search goes through a run in slices
of time, newest groups first, and says where it got to: nobody waits for a million answers.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence

from cohort.report import read
from cohort.report.references import reference_lines, reference_of
from cohort.report.statistics import deviation, mean
from cohort.report.text import one_line, prompt_text, showable
from cohort.report.views.curves import rounded
from cohort.report.views.episodes import measures, turns

PREVIEW = 240
"""Characters of a prompt that a row shows."""

MOST_PLACES = 300
"""Groups of one problem that its history shows at most; evenly spaced ones where there are more."""

SLICE_GROUPS = 200
"""Groups that a search looks at between two looks at the clock."""

SLICE_SECONDS, MOST_HITS = 0.15, 60
"""When a slice of a search ends."""


def places(db: sqlite3.Connection, stage: int, step: int | None) -> dict[str, object]:
    """The step with groups that is nearest to this one (the last without it), and those around it."""
    at = "SELECT {} FROM groups WHERE stage = :stage{}"
    where = {"stage": stage, "step": step}
    first, last = db.execute(at.format("min(step), max(step)", ""), where).fetchone()
    if first is None:
        return {"step": None, "first": None, "last": None, "previous": None, "next": None}
    if step is None:
        step = last
    before = db.execute(
        at.format("max(step)", " AND step <= :step"), where | {"step": step}
    ).fetchone()
    after = db.execute(
        at.format("min(step)", " AND step >= :step"), where | {"step": step}
    ).fetchone()
    known = [own[0] for own in (before, after) if own[0] is not None]
    found = min(known, key=lambda other: abs(other - step))
    return {
        "step": found,
        "first": first,
        "last": last,
        "previous": db.execute(
            at.format("max(step)", " AND step < :step"), where | {"step": found}
        ).fetchone()[0],
        "next": db.execute(
            at.format("min(step)", " AND step > :step"), where | {"step": found}
        ).fetchone()[0],
    }


def of_step(db: sqlite3.Connection, stage: int, step: int | None) -> dict[str, object]:
    """The groups of a step as rows, with the steps around it; the last step without one."""
    found = places(db, stage, step)
    ids = db.execute(
        "SELECT id FROM groups WHERE stage = ? AND step = ? ORDER BY id", (stage, found["step"])
    )
    return found | {"stage": stage, "groups": rows(db, [row["id"] for row in ids])}


def rows(db: sqlite3.Connection, ids: Sequence[int]) -> list[dict[str, object]]:
    """A row for each of these groups: its problem, the spread of its rewards, best and worst."""
    marks = ",".join("?" * len(ids))
    answers: dict[int, list[sqlite3.Row]] = {}
    episode = "episode" if _has(db, "rollouts", "episode") else "NULL"
    for row in db.execute(
        "SELECT group_id, number, reward, advantage, stop, length(tokens) / 4 AS length, "
        f"{episode} AS episode FROM rollouts WHERE group_id IN ({marks}) ORDER BY group_id, number",
        ids,
    ):
        answers.setdefault(row["group_id"], []).append(row)
    found = db.execute(f"SELECT * FROM groups WHERE id IN ({marks}) ORDER BY id", ids)
    return [_row(group, answers.get(group["id"], [])) for group in found]


def _row(group: sqlite3.Row, answers: Sequence[sqlite3.Row]) -> dict[str, object]:
    rewards = [r["reward"] for r in answers if rounded(r["reward"]) is not None]
    place = read.GroupRow(group["id"], group["stage"], group["step"], "", "")
    spread = deviation(rewards) if rewards else None
    prompt = one_line(prompt_text(group["prompt"]))
    row: dict[str, object] = {
        "id": place.id,
        "stage": place.stage,
        "step": place.step,
        "problem": one_line(group["problem"]),
        "prompt": prompt if len(prompt) <= PREVIEW else prompt[:PREVIEW] + "…",
        "discarded": _own(group, "discarded") or "",
        "mean": rounded(mean(rewards), 4) if rewards else None,
        "spread": rounded(spread, 4),
        "best": rounded(max(rewards, default=None), 4),
        "worst": rounded(min(rewards, default=None), 4),
        "length": rounded(mean([r["length"] for r in answers]), 4) if answers else None,
        "cut": sum(r["stop"] == "length" for r in answers),
        "signs": _signs(answers),
    }
    costs = [measures(r["episode"], r["reward"], r["number"]) for r in answers if r["episode"]]
    return row | ({"episodes": costs} if costs else {})


def _signs(answers: Sequence[sqlite3.Row]) -> str:
    """One letter an answer, the best first: above its group (u), below it (d), or neither (f)."""
    advantages = sorted((row["advantage"] or 0.0 for row in answers), reverse=True)
    return "".join("u" if a > 0 else "d" if a < 0 else "f" for a in advantages)


def group(db: sqlite3.Connection, number: int) -> Mapping[str, object] | None:
    """One group with its answers, by advantage; None where there is no such group."""
    own = db.execute("SELECT * FROM groups WHERE id = ?", (number,)).fetchone()
    if own is None:
        return None
    place = read.GroupRow(own["id"], own["stage"], own["step"], own["problem"], "")
    told = read.with_rollouts(db, place)
    episodes = _episodes(db, number)
    return {
        "id": own["id"],
        "stage": own["stage"],
        "step": own["step"],
        "problem": one_line(own["problem"]),
        "problem_id": own["problem"],
        "prompt": showable(prompt_text(own["prompt"])),
        "reference": [showable(line) for line in _reference(db, number)],
        "columns": showable(own["columns"]),
        "discarded": told.discarded or _own(own, "discarded") or "",
        "greedy_reward": rounded(_number(_own(own, "greedy_reward"))),
        "mean": rounded(told.mean_reward, 4),
        "spread": rounded(told.spread, 4),
        "answers": [_answer(r) | episodes.get(r.number, {}) for r in read.ranked(told.rollouts)],
    }


def _reference(db: sqlite3.Connection, number: int) -> list[str]:
    found = reference_of(db, number)
    return [] if found is None else reference_lines(found)


def _answer(rollout: read.RolloutRow) -> dict[str, object]:
    return {
        "number": rollout.number,
        "text": showable(rollout.text),
        "length": rollout.tokens,
        "stop": rollout.stop,
        "version": rollout.version,
        "reward": rounded(rollout.reward),
        "advantage": rounded(rollout.advantage),
        "parts": [
            [
                one_line(name),
                rounded(value),
                *map(showable, rollout.unsaid.get(name, ("", ""))),
            ]
            for name, value in rollout.parts.items()
        ],
        "steps": [
            [showable(s.text), rounded(s.reward), rounded(s.advantage)] for s in rollout.steps
        ],
    }


def _episodes(db: sqlite3.Connection, number: int) -> dict[int, dict[str, object]]:
    """The episodes of a group by the number of their answer."""
    if not _has(db, "rollouts", "episode"):
        return {}
    found = db.execute(
        "SELECT number, reward, episode FROM rollouts WHERE group_id = ? AND episode IS NOT NULL",
        (number,),
    )
    return {
        row["number"]: {
            "turns": turns(row["episode"]),
            "measures": measures(row["episode"], row["reward"], row["number"]),
        }
        for row in found
    }


def history(db: sqlite3.Connection, problem: str) -> dict[str, object]:
    """The groups of one problem over the run: where, and the rewards of each."""
    ids = [
        row["id"]
        for row in db.execute(
            "SELECT id FROM groups WHERE problem = ? ORDER BY stage, step, id", (problem,)
        )
    ]
    count = len(ids)
    if count > MOST_PLACES:
        ids = [ids[round(i * (count - 1) / (MOST_PLACES - 1))] for i in range(MOST_PLACES)]
    kept = ("id", "stage", "step", "mean", "best", "worst", "length")
    found = [{name: row[name] for name in kept} for row in rows(db, ids)]
    return {"count": count, "places": sorted(found, key=lambda row: (row["stage"], row["step"]))}


def search(
    db: sqlite3.Connection, text: str, *, stage: int | None, below: int | None
) -> dict[str, object]:
    """Groups in which a prompt, an answer or a problem's id holds a text, whatever its ASCII case.

    One slice of the search: groups with an id below `below`, newest first. `next` is where the next slice
    begins, None where everything was looked at; `done` is the share of groups behind us.
    """
    last = db.execute("SELECT max(id) FROM groups").fetchone()[0]
    top = last if below is None else below - 1
    if not text or last is None:
        return {"groups": [], "next": None, "done": 1.0}
    hits: list[int] = []
    until = time.monotonic() + SLICE_SECONDS
    while top > 0 and len(hits) < MOST_HITS and time.monotonic() < until:
        hits += _hits(db, text, stage, (max(1, top - SLICE_GROUPS + 1), top))
        top -= SLICE_GROUPS
    found = sorted(rows(db, hits), key=lambda row: -int(str(row["id"])))
    return {
        "groups": found,
        "next": top + 1 if top > 0 else None,
        "done": rounded(1.0 if top <= 0 else 1 - top / last, 3),
    }


def _hits(
    db: sqlite3.Connection, text: str, stage: int | None, between: tuple[int, int]
) -> list[int]:
    """The groups between two ids in which the text is, newest first."""
    like = "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    found = db.execute(
        "SELECT id FROM groups g WHERE id BETWEEN :low AND :high AND (:stage IS NULL OR stage = :stage) "
        "AND (problem LIKE :like ESCAPE '\\' OR prompt LIKE :like ESCAPE '\\' OR EXISTS ("
        "SELECT 1 FROM rollouts r WHERE r.group_id = g.id AND r.text LIKE :like ESCAPE '\\')) "
        "ORDER BY id DESC",
        {"low": between[0], "high": between[1], "stage": stage, "like": like},
    )
    return [row["id"] for row in found]


def _has(db: sqlite3.Connection, table: str, column: str) -> bool:
    """Whether a store of this schema has a column."""
    return any(row["name"] == column for row in db.execute(f"PRAGMA table_info({table})"))


def _own(row: sqlite3.Row, name: str) -> object:
    """A column of a row, None where the run is older than it."""
    return row[name] if name in row.keys() else None  # noqa: SIM118 - a row iterates its values


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
