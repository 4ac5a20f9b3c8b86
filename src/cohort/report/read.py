"""A run's store as typed rows, for everything that shows a run afterwards.

Reads only, also while the run goes on or after it was killed: one `opened` is one moment of the
run. A number that was not finite is None here, as SQLite keeps it.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cohort.data.records import JudgedStep
from cohort.data.store import Answer, connect_read_only
from cohort.report.lines import Example
from cohort.report.statistics import deviation, mean
from cohort.report.text import number, prompt_text

ID_BYTES = 4
"""The bytes of a stored token id."""


@dataclass(frozen=True, slots=True)
class StageRow:
    """A stage: what was planned (`steps`), what is done, and what it cost once it ended."""

    stage: int
    name: str
    kind: str
    steps: int
    steps_done: int
    seconds: float | None
    sampled_tokens: int | None
    trained_tokens: int | None


@dataclass(frozen=True, slots=True)
class StepRow:
    """A rewarded step of an answer: what it says, its weighted reward, the advantage of its tokens."""

    text: str
    reward: float
    advantage: float


@dataclass(frozen=True, slots=True)
class RolloutRow:
    """One answer of a group, with what each reward function said of it."""

    number: int
    text: str
    tokens: int
    stop: str
    version: int
    reward: float | None
    advantage: float | None
    parts: Mapping[str, float | None]
    unsaid: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Function name -> why it gave no value: "unscorable" or a kind of failure, and a reason."""
    steps: tuple[StepRow, ...] = ()
    """The steps that were rewarded by themselves; the last one may be about the whole answer."""
    rest: str = ""
    """What the answer says after the last of them."""


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group of a step; `rollouts` is empty where only its place was asked for."""

    id: int
    stage: int
    step: int
    problem: str
    prompt: str
    discarded: str = ""
    """Why nothing was learned from it; empty where something may have been."""
    rollouts: tuple[RolloutRow, ...] = ()

    @property
    def rewards(self) -> list[float]:
        """The rewards of the answers that have one."""
        return [r.reward for r in self.rollouts if r.reward is not None]

    @property
    def mean_reward(self) -> float | None:
        """The mean of the known rewards."""
        return mean(self.rewards) if self.rewards else None

    @property
    def spread(self) -> float | None:
        """The population deviation of the known rewards."""
        return deviation(self.rewards) if self.rewards else None


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """One evaluation: the stage it came after, and its summary as it was written."""

    id: int
    stage: int
    after: str
    summary: Mapping[str, object]


def parts_text(rollout: RolloutRow) -> str:
    """What each function said of an answer, on one line: its value, or the kind of its silence."""
    said = {
        name: number(value) if value is not None else rollout.unsaid.get(name, ("-", ""))[0]
        for name, value in rollout.parts.items()
    }
    return ", ".join(f"{name} {text}" for name, text in said.items()) or "no scores"


def reasons(rollout: RolloutRow) -> list[str]:
    """A line for each function that gave no value and said why."""
    return [f"{name}: {kind}: {why}" for name, (kind, why) in rollout.unsaid.items() if why]


def ranked(rollouts: Sequence[RolloutRow]) -> list[RolloutRow]:
    """Answers by advantage, then by reward, best first; those without one last."""
    return sorted(rollouts, key=lambda r: (_rank(r.advantage), _rank(r.reward)), reverse=True)


@contextmanager
def opened(run: Path) -> Iterator[sqlite3.Connection]:
    """A run's store, read-only and at one moment: what is written meanwhile is not seen.

    Raises RunError where there is no run.
    """
    with closing(connect_read_only(run)) as db:
        db.execute("BEGIN")
        yield db


def facts(db: sqlite3.Connection) -> dict[str, object]:
    """The facts of the run: status, recipe, seed, versions, seconds."""
    return {row["name"]: json.loads(row["value"]) for row in db.execute("SELECT * FROM facts")}


def stages(db: sqlite3.Connection) -> list[StageRow]:
    """The stages that were begun, in order."""
    rows = db.execute(
        "SELECT s.*, (SELECT count(*) FROM steps t WHERE t.stage = s.stage) AS done "
        "FROM stages s ORDER BY s.stage"
    )
    return [
        StageRow(
            stage=row["stage"],
            name=row["name"],
            kind=row["kind"],
            steps=row["steps"],
            steps_done=row["done"],
            seconds=row["seconds"],
            sampled_tokens=row["sampled_tokens"],
            trained_tokens=row["trained_tokens"],
        )
        for row in rows
    ]


def steps(db: sqlite3.Connection, stage: int) -> list[tuple[int, float]]:
    """The steps of a stage that are done, each with its seconds."""
    rows = db.execute("SELECT step, seconds FROM steps WHERE stage = ? ORDER BY step", (stage,))
    return [(row["step"], row["seconds"]) for row in rows]


def metric_names(db: sqlite3.Connection, stage: int) -> list[str]:
    """The metrics that any step of a stage measured."""
    rows = db.execute("SELECT DISTINCT name FROM metrics WHERE stage = ? ORDER BY name", (stage,))
    return [row["name"] for row in rows]


def series(db: sqlite3.Connection, stage: int, metric: str) -> list[tuple[int, float | None]]:
    """A metric by step; None where it was not finite. Steps without it are absent."""
    rows = db.execute(
        "SELECT step, value FROM metrics WHERE stage = ? AND name = ? ORDER BY step",
        (stage, metric),
    )
    return [(row["step"], _finite(row["value"])) for row in rows]


def metrics_of_step(db: sqlite3.Connection, stage: int, step: int) -> dict[str, float | None]:
    """Everything that one step measured."""
    rows = db.execute(
        "SELECT name, value FROM metrics WHERE stage = ? AND step = ? ORDER BY name", (stage, step)
    )
    return {row["name"]: _finite(row["value"]) for row in rows}


def group_places(
    db: sqlite3.Connection,
    *,
    stage: int | None = None,
    step: int | None = None,
    problem: str | None = None,
) -> list[GroupRow]:
    """The groups of a stage, a step or a problem, in order, without their answers."""
    wanted = {"stage": stage, "step": step, "problem": problem}
    given = {name: value for name, value in wanted.items() if value is not None}
    where = " AND ".join(f"{name} = :{name}" for name in given) or "1"
    # Runs of schema 1 do not say why a group was left out.
    says = any(row["name"] == "discarded" for row in db.execute("PRAGMA table_info(groups)"))
    rows = db.execute(
        f"SELECT id, stage, step, problem, prompt, {'discarded' if says else repr('')} AS why "
        f"FROM groups WHERE {where} ORDER BY stage, step, id",
        given,
    )
    return [
        GroupRow(
            row["id"],
            row["stage"],
            row["step"],
            row["problem"],
            prompt_text(row["prompt"]),
            row["why"],
        )
        for row in rows
    ]


def with_rollouts(db: sqlite3.Connection, group: GroupRow) -> GroupRow:
    """The group with its answers and their scores."""
    parts: dict[int, dict[str, float | None]] = {}
    unsaid: dict[int, dict[str, tuple[str, str]]] = {}
    for row in db.execute("SELECT * FROM scores WHERE group_id = ? ORDER BY function", (group.id,)):
        parts.setdefault(row["number"], {})[row["function"]] = _finite(row["value"])
        # Runs up to schema 3 do not say why there is no value.
        if row["value"] is None and "kind" in row.keys():  # noqa: SIM118 - a row iterates its values
            why = row["kind"], row["reason"]
            unsaid.setdefault(row["number"], {})[row["function"]] = why
    rows = db.execute(
        "SELECT *, length(tokens) AS bytes FROM rollouts WHERE group_id = ? ORDER BY number",
        (group.id,),
    )
    rollouts = tuple(
        RolloutRow(
            number=row["number"],
            text=row["text"],
            tokens=row["bytes"] // ID_BYTES,
            stop=row["stop"],
            version=row["version"],
            reward=_finite(row["reward"]),
            advantage=_finite(row["advantage"]),
            parts=parts.get(row["number"], {}),
            unsaid=unsaid.get(row["number"], {}),
            **_steps(row),
        )
        for row in rows
    )
    return replace(group, rollouts=rollouts)


WHOLE = "(the whole answer)"
"""In the place of a text: what is said of no step in particular."""


def _steps(row: sqlite3.Row) -> dict[str, Any]:
    """An answer's rewarded steps, and what it says after them."""
    # Runs up to schema 4 do not have them.
    kept = row["steps"] if "steps" in row.keys() else None  # noqa: SIM118 - as above
    if not kept:
        return {}
    text, begin, found = str(row["text"]), 0, []
    for judged in (JudgedStep(*one) for one in json.loads(kept)):
        if judged.end is None:
            said = f"(to token {judged.last_token + 1})"
        else:
            said = text[begin : judged.end] or WHOLE
            begin = max(begin, judged.end)
        found.append(StepRow(said, judged.reward, judged.advantage))
    return {"steps": tuple(found), "rest": text[begin:]}


def groups(db: sqlite3.Connection, stage: int, step: int) -> list[GroupRow]:
    """The groups of one step, with their answers."""
    return [with_rollouts(db, group) for group in group_places(db, stage=stage, step=step)]


def evaluations(db: sqlite3.Connection) -> list[EvaluationRow]:
    """The evaluations in the order in which they were made."""
    return [
        EvaluationRow(row["id"], row["stage"], row["after"], json.loads(row["summary"]))
        for row in db.execute("SELECT * FROM evaluations ORDER BY id")
    ]


def answers(db: sqlite3.Connection, evaluation: int, *, greedy_only: bool = False) -> list[Answer]:
    """The answers of one evaluation, by problem and sample."""
    rows = db.execute(
        "SELECT * FROM answers WHERE evaluation = ? AND (sample = 0 OR NOT ?) "
        "ORDER BY problem, sample",
        (evaluation, greedy_only),
    )
    return [
        Answer(
            problem=row["problem"],
            sample=row["sample"],
            prompt=prompt_text(row["prompt"]),
            text=row["text"],
            reward=_finite(row["reward"]),
            success=None if row["success"] is None else bool(row["success"]),
        )
        for row in rows
    ]


def examples(db: sqlite3.Connection, count: int = 3) -> list[Example]:
    """Held-out problems with their greedy answers in the first and in the last evaluation.

    The first `count` problems by id that both asked: fixed before any answer was known, so that
    nobody picks the ones that became better. Empty where there are not two evaluations.
    """
    made = evaluations(db)
    if len(made) < 2:
        return []
    before = answers(db, made[0].id, greedy_only=True)
    after = {answer.problem: answer for answer in answers(db, made[-1].id, greedy_only=True)}
    pairs = [(own, after[own.problem]) for own in before if own.problem in after]
    return [(a.prompt, a.text, b.text, a.success, b.success) for a, b in pairs[:count]]


def _rank(value: float | None) -> float:
    return -math.inf if value is None else value


def _finite(value: float | None) -> float | None:
    """None for an infinity too: SQLite keeps those, and nothing that shows a run can draw them."""
    return value if value is not None and math.isfinite(value) else None
