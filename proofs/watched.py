"""A run and its readers go on together and are killed with -9: nothing is lost, torn or held up.

A child writes steps as a training does, others ask what the page asks, each question on a connection of its
own. One of them or all are killed at a random moment; then the store must be whole: every step that is there
has its metrics and its groups, none is missing between the first and the last, and SQLite finds no fault. At
the end a run is sealed while readers go on.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import sys
import tempfile
import time
from contextlib import closing, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np

from cohort.data import keyed
from cohort.data.records import Group, Problem, Rollout, Score
from cohort.data.store import Store
from cohort.report import read
from cohort.report.views.answers import AskedError, answer
from proofs.command import main

READERS, GROUPS, ANSWERS = 2, 4, 8
LONGEST_WRITE = 1.0
"""A step that waits longer than this for the store is held up."""

QUESTIONS = (
    ("run", {}),
    ("curve", {"stage": "0", "metric": "reward"}),
    ("groups", {"stage": "0"}),
    ("search", {"text": "nothing of this kind"}),
    ("pulse", {}),
)


def prove(short: bool, seed: int) -> dict[str, object]:
    """50 kills (short: 8) of a writer, of a reader or of all, then a sealing beside readers."""
    kills, failures, slowest = 8 if short else 50, [], 0.0
    generator = keyed.generator(seed, "watched")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Store(folder / "run.db").close()
        for number in range(kills):
            running = [_child(_write, folder), *(_child(_ask, folder) for _ in range(READERS))]
            time.sleep(0.15 + 0.35 * float(generator.random()))
            whom = (running[:1], running[1:], running)[number % 3]
            _kill(whom)
            time.sleep(0.05)
            failures += [f"kill {number}: {wrong}" for wrong in _faults(folder)]
            _kill(running)
        slowest = float((folder / "slowest").read_text())
        failures += _sealing(folder)
        steps = _count(folder)
    if slowest > LONGEST_WRITE:
        failures.append(f"a step waited {slowest:.2f} s for the store")
    return {
        "name": "kills beside readers",
        "asked": kills + 2,
        "held": kills + 2 - len(failures),
        "steps written": steps,
        "longest wait of a step": round(slowest, 3),
        "failures": failures,
    }


def _child(work: object, folder: Path) -> BaseProcess:
    assert callable(work)
    own = multiprocessing.get_context("fork").Process(target=work, args=(folder,), daemon=True)
    own.start()
    return own


def _kill(children: list[BaseProcess]) -> None:
    for child in children:
        if child.is_alive() and child.pid is not None:
            os.kill(child.pid, signal.SIGKILL)
        child.join()


def _write(folder: Path) -> None:
    """Steps without end, each where the last one ended; the longest wait goes into a file."""
    store = Store(folder / "run.db")
    with suppress(sqlite3.IntegrityError):
        store.begin_stage(0, name="learn", kind="reinforce", steps=10**6)
    step = len(store.metrics_of(0))
    while True:
        step += 1
        began = time.perf_counter()
        groups = [_group(f"p{step}-{number}") for number in range(GROUPS)]
        store.write_step(0, step, seconds=1.0, metrics={"reward": 0.5, "kl": 0.1}, groups=groups)
        _note_slowest(folder, time.perf_counter() - began)
        time.sleep(0.002)


def _note_slowest(folder: Path, seconds: float) -> None:
    """Aside and renamed: this process is killed too."""
    path = folder / "slowest"
    if not path.is_file() or float(path.read_text()) < seconds:
        aside = folder / "slowest.part"
        aside.write_text(str(seconds))
        os.replace(aside, path)


def _group(name: str) -> Group:
    rollouts = tuple(
        Rollout(np.zeros(20, np.int32), np.zeros(20, np.float32), "end", f"answer {i}")
        for i in range(ANSWERS)
    )
    scores = tuple(Score(float(i), {"correct": float(i)}) for i in range(ANSWERS))
    return Group(Problem(name, name), np.zeros(5, np.int32), rollouts, scores, (0.0,) * ANSWERS)


def _ask(folder: Path) -> None:
    """Every question, again and again, as the server asks them."""
    while True:
        for question, given in QUESTIONS:
            with suppress(sqlite3.OperationalError, AskedError), read.opened(folder) as db:
                answer(db, folder, question, given)


def _faults(folder: Path) -> list[str]:
    """What is wrong with the store as it lies there."""
    with closing(sqlite3.connect(folder / "run.db", isolation_level=None)) as db:
        db.execute("BEGIN")  # one moment of the run: its writer may still be at work
        found = [row[0] for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
        last = db.execute("SELECT coalesce(max(step), 0) FROM steps").fetchone()[0]
        for table, each in (("steps", 1), ("metrics", 2), ("groups", GROUPS)):
            count = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            if count != each * last:
                found.append(f"{count} rows of {table} in {last} steps")
        answers = db.execute(
            "SELECT count(*) FROM groups g "
            "WHERE (SELECT count(*) FROM rollouts r WHERE r.group_id = g.id) != ?",
            (ANSWERS,),
        ).fetchone()[0]
        if answers:
            found.append(f"{answers} groups without all of their answers")
    return found


def _sealing(folder: Path) -> list[str]:
    """Whether a run can end while readers go on."""
    readers = [_child(_ask, folder) for _ in range(READERS)]
    time.sleep(0.3)
    try:
        Store(folder / "run.db").close(sealed=True)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what must not come
        return [f"a run could not be sealed: {error!r}"]
    finally:
        _kill(readers)
    return _faults(folder)


def _count(folder: Path) -> int:
    with read.opened(folder) as db:
        return int(db.execute("SELECT count(*) FROM steps").fetchone()[0])


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
