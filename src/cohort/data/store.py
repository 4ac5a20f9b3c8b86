"""The run's store: `run.db`, SQLite in WAL mode, one transaction a step.

Writers come through `Store`; readers open the file read-only (`connect_read_only`) at any time, also
while the run goes on or after it was killed. The tables are in `schema`.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from cohort.data.episodes import told_of
from cohort.data.records import SCORED, UNSCORABLE, Group, Learned, Score
from cohort.data.schema import SCHEMA, SCHEMA_VERSION
from cohort.errors import RunError, StorageError


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of an evaluation; sample 0 is the greedy one, 1 and up are sampled."""

    problem: str
    sample: int
    prompt: str
    text: str
    reward: float | None
    success: bool | None


class Store:
    """The writing side of run.db. Every public method is one transaction."""

    def __init__(self, path: Path) -> None:
        """Opens a run's store, or makes it. Raises RunError for one of another version."""
        with refusing_database():
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                script = f"BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
                self._db.executescript(script)
            elif version != SCHEMA_VERSION:
                self._db.close()
                raise RunError(
                    f"{path} was written by another version of Cohort (schema {version}, this one "
                    f"writes {SCHEMA_VERSION})",
                    "give another folder with --run",
                )

    def close(self, *, sealed: bool = False) -> None:
        """Fold the write-ahead log into the file and close it.

        sealed: nothing more will be written, and run.db is the only file from then on; but where somebody
        reads it without a pause, its log stays beside it, and both together are the run.
        """
        try:
            with refusing_database():
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            if sealed:
                self._seal()
        finally:
            self._db.close()

    def _seal(self) -> None:
        """Do away with the log, for which SQLite needs the file alone: try it for a second."""
        self._db.execute("PRAGMA busy_timeout = 0")
        for _ in range(20):
            try:
                self._db.execute("PRAGMA journal_mode = DELETE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise _refusal(error) from error
                time.sleep(0.05)

    def set_fact(self, name: str, value: object) -> None:
        """Keep one fact about the run (versions, status), as JSON."""
        with self._transaction():
            self._db.execute("REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value)))

    def event(
        self, level: str, text: str, *, stage: int | None = None, step: int | None = None
    ) -> None:
        """Keep a line that a person should be able to find later, and where in the run it belongs."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?)", (time.time(), level, text, stage, step)
            )

    def begin_sitting(self, stage: int, step: int, changes: Sequence[str]) -> None:
        """A process takes the run on, after this step of this stage; `changes` were accepted."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO sittings (started, process, stage, step, changes) VALUES (?, ?, ?, ?, ?)",
                (time.time(), os.getpid(), stage, step, json.dumps(list(changes))),
            )

    def fact(self, name: str) -> Any:
        """A fact about the run; None where it was not kept."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def sync(self) -> None:
        """What was written survives a power cut from here on."""
        with refusing_database():
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def has_step(self, stage: int, step: int) -> bool:
        """Whether this step of this stage is there; step 0 always is."""
        row = self._db.execute(
            "SELECT 1 FROM steps WHERE stage = ? AND step = ?", (stage, step)
        ).fetchone()
        return step == 0 or row is not None

    def cut(self, stage: int, step: int) -> None:
        """Forget everything after this step of this stage: it will happen again."""
        after = (stage, stage, step)
        with self._transaction():
            self._db.execute(
                "DELETE FROM scores WHERE group_id IN (SELECT id FROM groups WHERE stage > ? OR "
                "(stage = ? AND step > ?))",
                after,
            )
            self._db.execute(
                "DELETE FROM rollouts WHERE group_id IN (SELECT id FROM groups WHERE stage > ? OR "
                "(stage = ? AND step > ?))",
                after,
            )
            for table in ("groups", "metrics", "steps", "events"):
                self._db.execute(
                    f"DELETE FROM {table} WHERE stage > ? OR (stage = ? AND step > ?)", after
                )
            self._db.execute(
                "DELETE FROM answers WHERE evaluation IN (SELECT id FROM evaluations WHERE stage >= ?)",
                (stage,),
            )
            self._db.execute("DELETE FROM evaluations WHERE stage >= ?", (stage,))
            self._db.execute("DELETE FROM stages WHERE stage >= ?", (stage,))

    def metrics_of(self, stage: int) -> list[dict[str, float]]:
        """The metrics of each step of a stage, in order; those that were not finite are left out."""
        found: dict[int, dict[str, float]] = {}
        for step, name, value in self._db.execute(
            "SELECT step, name, value FROM metrics WHERE stage = ? AND value IS NOT NULL "
            "ORDER BY step",
            (stage,),
        ):
            found.setdefault(step, {})[name] = value
        return list(found.values())

    def seconds_of(self, stage: int) -> float:
        """The seconds of a stage's steps."""
        row = self._db.execute("SELECT TOTAL(seconds) FROM steps WHERE stage = ?", (stage,))
        return float(row.fetchone()[0])

    def begin_stage(self, stage: int, *, name: str, kind: str, steps: int) -> None:
        """A stage begins; `steps` is 0 for an evaluation."""
        with self._transaction():
            self._db.execute(
                "REPLACE INTO stages (stage, name, kind, steps, started) VALUES (?, ?, ?, ?, ?)",
                (stage, name, kind, steps, time.time()),
            )

    def end_stage(
        self, stage: int, *, seconds: float, sampled_tokens: int, trained_tokens: int
    ) -> None:
        """A stage is done, with what it cost."""
        with self._transaction():
            self._db.execute(
                "UPDATE stages SET seconds = ?, sampled_tokens = ?, trained_tokens = ? WHERE stage = ?",
                (seconds, sampled_tokens, trained_tokens, stage),
            )

    def write_step(
        self,
        stage: int,
        step: int,
        *,
        seconds: float,
        metrics: Mapping[str, float],
        groups: Iterable[Group] = (),
    ) -> None:
        """Everything about one step, or nothing of it."""
        with self._transaction():
            self._db.execute("INSERT INTO steps VALUES (?, ?, ?)", (stage, step, seconds))
            self._db.executemany(
                "INSERT INTO metrics VALUES (?, ?, ?, ?)",
                [(stage, step, name, value) for name, value in metrics.items()],
            )
            for group in groups:
                self._write_group(stage, step, group)

    def write_evaluation(
        self, stage: int, *, after: str, summary: Mapping[str, object], answers: Sequence[Answer]
    ) -> None:
        """One evaluation: its summary as JSON, and every answer."""
        with self._transaction():
            cursor = self._db.execute(
                "INSERT INTO evaluations (stage, after, summary) VALUES (?, ?, ?)",
                (stage, after, json.dumps(summary)),
            )
            self._db.executemany(
                "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (cursor.lastrowid, a.problem, a.sample, a.prompt, a.text, a.reward, a.success)
                    for a in answers
                ],
            )

    def position(self) -> str:
        """How far the run has come, in words: the last stage that began, and its last step."""
        row = self._db.execute(
            "SELECT s.name, s.steps, (SELECT MAX(step) FROM steps WHERE stage = s.stage) "
            "FROM stages s ORDER BY s.stage DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return "the preparations"
        name, steps, done = row
        return f"stage {name} after step {done or 0} of {steps}" if steps else f"stage {name}"

    def _write_group(self, stage: int, step: int, group: Group) -> None:
        prompt = group.problem.prompt
        cursor = self._db.execute(
            "INSERT INTO groups (stage, step, problem, prompt, prompt_tokens, columns, discarded, "
            "greedy_reward) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                stage,
                step,
                group.problem.id,
                prompt if isinstance(prompt, str) else json.dumps(prompt),
                group.prompt_tokens.astype("<i4").tobytes(),
                json.dumps(dict(group.problem.columns), default=str),
                group.discarded,
                group.greedy_reward,
            ),
        )
        for number, rollout in enumerate(group.rollouts):
            row = (cursor.lastrowid, number)
            reward = group.scores[number].total if group.scores else None
            advantage = group.advantages[number] if group.advantages else None
            self._db.execute(
                "INSERT INTO rollouts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *row,
                    rollout.text,
                    rollout.tokens.astype("<i4").tobytes(),
                    rollout.logprobs.astype("<f4").tobytes(),
                    rollout.stop,
                    rollout.version,
                    rollout.temperature,
                    reward,
                    advantage,
                    json.dumps([astuple(one) for one in group.steps[number]])
                    if group.steps
                    else None,
                    json.dumps(told_of(rollout.episode)) if rollout.episode else None,
                    *_blobs(group.learned[number] if group.learned else None),
                ),
            )
            self._write_score(row, group.scores[number] if group.scores else None)

    def _write_score(self, row: tuple[int | None, int], score: Score | None) -> None:
        """Each function's value, or why there is none: a kind, which is "scored" for a value, and words."""
        parts = {} if score is None else score.parts
        unsaid = {} if score is None else score.unsaid
        self._db.executemany(
            "INSERT INTO scores VALUES (?, ?, ?, ?, ?, ?)",
            [
                (
                    *row,
                    name,
                    value,
                    *unsaid.get(name, (SCORED if value is not None else UNSCORABLE, "")),
                )
                for name, value in parts.items()
            ],
        )

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)


def _blobs(learned: Learned | None) -> tuple[bytes | None, ...]:
    """What an update saw of an answer's tokens, as the columns hold it."""
    if learned is None:
        return None, None, None
    halves = (learned.ratios.astype("<f2"), learned.entropies.astype("<f2"))
    return *(own.tobytes() for own in halves), learned.clipped.astype("u1").tobytes()


class _Transaction:
    """BEGIN on entry, COMMIT on a clean exit, ROLLBACK on any other."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        with refusing_database():
            self._db.execute("BEGIN IMMEDIATE")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        if kind is None:
            with refusing_database():
                self._db.execute("COMMIT")
            return
        if self._db.in_transaction:  # a full disk has ended it already
            self._db.execute("ROLLBACK")
        if isinstance(error, sqlite3.OperationalError):
            raise _refusal(error) from error


@contextmanager
def refusing_database() -> Iterator[None]:
    """Turn what SQLite cannot do into a StorageError."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise _refusal(error) from error
    except sqlite3.DatabaseError as error:
        raise RunError(
            f"run.db is damaged: {error}",
            "give another folder with --run; keep this one to look at",
        ) from error


def _refusal(error: sqlite3.OperationalError) -> StorageError:
    return StorageError(
        f"run.db cannot be written: {error}",
        "make room or mend the disk, then give the same command again: it goes on from the last "
        "checkpoint, which is intact",
    )


def connect_read_only(run: Path) -> sqlite3.Connection:
    """A read-only connection to a run's store, rows by name; works while the run goes on.

    Raises RunError when the folder holds no run, or one written by a later Cohort.
    """
    path = run / "run.db"
    if not path.is_file():
        raise RunError(
            f"{run} holds no run: there is no run.db in it",
            "name the folder of a run, for example runs/chain",
        )
    db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    db.row_factory = sqlite3.Row
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise RunError(
            f"{path} was written by a later Cohort (schema {version}, this one reads {SCHEMA_VERSION})",
            "upgrade Cohort",
        )
    return db
