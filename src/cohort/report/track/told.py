"""What of a run is said to a sink: the steps, evaluations and groups that are there and were not said yet.

It reads the store, as everything that shows a run does: nothing is handed over by the training, so nothing
is lost where a sink is slow. Where steps were taken back (`Store.cut`), those that follow are said again.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cohort.data.disk import RealDisk, replace_file
from cohort.report import read
from cohort.report.text import showable
from cohort.report.track.sink import Row, Sink
from cohort.report.views.curves import metric_names

AT_ONCE = 50
"""Steps that are read in one look at the store."""

MOST_GROUPS = 4
"""Groups of a step in a table: those whose rewards differ most."""

MOST_TEXT = 4000
"""Characters of a prompt or an answer in a table."""


@dataclass(slots=True)
class Place:
    """How far a sink was told: the last step, and the stages whose evaluations it knows.

    id: the run's own at this sink.
    """

    id: str
    stage: int = -1
    step: int = 0
    evaluated: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, path: Path, fresh: str) -> Place:
        """What a file keeps; the beginning, with a fresh id, where there is none."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return cls(fresh)

    def keep(self, path: Path) -> None:
        """Write it down for whoever goes on."""
        replace_file(RealDisk(), path, json.dumps(asdict(self)).encode())


@dataclass(frozen=True, slots=True)
class _News:
    """What one step, or an evaluation, has to say; `step` is None for an evaluation.

    at: the step counted from the run's beginning.
    """

    stage: int
    step: int | None
    at: int
    values: Mapping[str, float]
    rows: Sequence[Row] = ()
    seconds: float = 0.0


class Teller:
    """Says what is new of a run to one sink."""

    def __init__(self, run: Path, sink: Sink, place: Place, *, groups_every_steps: int) -> None:
        self._run, self._sink, self.place = run, sink, place
        self._every = groups_every_steps
        self._said: list[tuple[int, int, float]] = []

    def tell(self) -> int:
        """Say what is new, some steps at a time; how many things were said."""
        with read.opened(self._run) as db:
            self._step_back(db)
            news = list(_news(db, self.place, self._every))
        for one in news:
            self._sink.metrics(one.at, one.values)
            if one.rows:
                self._sink.groups(one.at, one.rows)
            if one.step is None:
                self.place.evaluated.append(one.stage)
            else:
                self.place.stage, self.place.step = one.stage, one.step
                self._said.append((one.stage, one.step, one.seconds))
        return len(news)

    def close(self) -> None:
        """Nothing more is said."""
        self._sink.close()

    def _step_back(self, db: sqlite3.Connection) -> None:
        """To the last step that was said and is still the same one: a step's seconds tell it from another."""
        query = "SELECT 1 FROM steps WHERE stage = ? AND step = ? AND seconds = ?"
        taken_back = False
        while self._said and db.execute(query, self._said[-1]).fetchone() is None:
            self._said.pop()
            taken_back = True
        if taken_back:
            stage, step, _ = self._said[-1] if self._said else (-1, 0, 0.0)
            self.place.stage, self.place.step = stage, step
            self.place.evaluated = [own for own in self.place.evaluated if own <= stage]


def _news(db: sqlite3.Connection, place: Place, every: int) -> Iterator[_News]:
    """In the order in which it came about: evaluations before the steps of later stages."""
    before, steps = _lengths(db), _steps(db, place)
    for row in read.evaluations(db):
        if row.stage not in place.evaluated and (not steps or row.stage < steps[0][0]):
            yield _News(row.stage, None, before.get(row.stage, 0), evaluated(row.summary))
    if not steps:
        return
    stage = steps[0][0]
    measured = _metrics(db, stage, steps)
    for _, step, seconds in steps:
        rows = list(_rows(db, stage, step)) if every and step % every == 0 else []
        values = {"stage": float(stage)} | measured.get(step, {})
        yield _News(stage, step, before.get(stage, 0) + step, values, rows, seconds)


def _lengths(db: sqlite3.Connection) -> dict[int, int]:
    """The planned steps before each stage."""
    found, before = {}, 0
    for row in db.execute("SELECT stage, steps FROM stages ORDER BY stage"):
        found[row["stage"]] = before
        before += row["steps"]
    return found


def _steps(db: sqlite3.Connection, place: Place) -> list[tuple[int, int, float]]:
    """The next steps of one stage."""
    rows = db.execute(
        "SELECT stage, step, seconds FROM steps WHERE (stage, step) > (?, ?) "
        "ORDER BY stage, step LIMIT ?",
        (place.stage, place.step, AT_ONCE),
    )
    found = [(row["stage"], row["step"], row["seconds"]) for row in rows]
    return [own for own in found if own[0] == found[0][0]]


def _metrics(
    db: sqlite3.Connection, stage: int, steps: list[tuple[int, int, float]]
) -> dict[int, dict[str, float]]:
    """The finite metrics of some steps of a stage; the key of the table begins with the name."""
    found: dict[int, dict[str, float]] = {}
    for name in metric_names(db, stage):
        for row in db.execute(
            "SELECT step, value FROM metrics WHERE stage = ? AND name = ? AND step BETWEEN ? AND ?",
            (stage, name, steps[0][1], steps[-1][1]),
        ):
            if row["value"] is not None and math.isfinite(row["value"]):
                found.setdefault(row["step"], {})[name] = row["value"]
    return found


def evaluated(summary: Mapping[str, object]) -> dict[str, float]:
    """The numbers of an evaluation, with the prefix that TRL gives to such."""
    named = {
        "eval_reward": summary.get("mean_reward"),
        "eval_greedy": summary.get("greedy"),
        "eval_pass_at_1": summary.get("pass_at_1"),
    }
    shares = summary.get("pass_at")
    if isinstance(shares, Mapping):
        named |= {f"eval_pass_at_{k}": share for k, share in shares.items()}
    return {name: float(v) for name, v in named.items() if isinstance(v, (int, float))}


def _rows(db: sqlite3.Connection, stage: int, step: int) -> Iterator[Row]:
    found = read.groups(db, stage, step)
    for group in sorted(found, key=lambda own: -(own.spread or 0.0))[:MOST_GROUPS]:
        for answer in read.ranked(group.rollouts):
            yield {
                "step": step,
                "problem": showable(group.problem),
                "prompt": showable(group.prompt)[:MOST_TEXT],
                "answer": showable(answer.text)[:MOST_TEXT],
                "reward": answer.reward,
                "advantage": answer.advantage,
                "tokens": answer.tokens,
                "stop": answer.stop,
                "rewards": read.parts_text(answer),
            }
