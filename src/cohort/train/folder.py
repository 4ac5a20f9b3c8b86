"""The folder of a run: one recipe's run, one process at a time, taken up again where it ended.

    runs/NAME/   recipe.toml  run.db  checkpoints/  journal/  model/  report.html  tokenizer.json
                 profile.json, track/ (where they were asked for), .lock (whoever holds it may write)

Without a folder the run is runs/NAME: the latest of runs/NAME, runs/NAME-2, ... is gone on with where
it holds this recipe's run, unfinished, that no process is at; else the first free one is taken.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import tomllib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cohort.config.load import dump_recipe, read_recipe
from cohort.config.recipe import Recipe
from cohort.data.disk import RealDisk, refusing, replace_file
from cohort.errors import CohortError, RunError

RECIPE, DATABASE, MODEL, LOCK = "recipe.toml", "run.db", "model", ".lock"
CHECKPOINTS, JOURNAL, REPORT = "checkpoints", "journal", "report.html"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A run's folder that is ours: no other process writes there while `lock` is open."""

    folder: Path
    lock: int
    changes: tuple[str, ...] = ()
    """Options of the recipe that differ from those that the run began with, and were accepted."""

    @property
    def status(self) -> str:
        """What the store says: "running" also where the process was killed."""
        return status_of(self.folder)

    def release(self) -> None:
        """Let another process write there."""
        os.close(self.lock)


def claim(recipe: Recipe, run: Path | None, name: str, *, accept_changes: bool = False) -> Claimed:
    """Take the run's folder, made where there is none, with the resolved recipe in it.

    Raises RunError when the folder holds another recipe's run and changes are not accepted, or
    when another process is at it; StorageError when it cannot be written.
    """
    text = dump_recipe(recipe)
    folder = run or _unfinished(Path("runs") / name, text) or _free(Path("runs") / name)
    if folder.is_file():
        raise RunError(f"{folder} is a file", "give a folder with --run")
    _check(folder, text, accept_changes)  # before anything is touched, and again under the lock
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _lock(folder)
    except OSError as error:
        raise RunError(
            f"{folder} cannot be written: {error.strerror}", "give another folder with --run"
        ) from error
    if lock is None:
        raise RunError(
            f"another process is at the run in {folder}{_whose(folder)}",
            "wait for it, end it, or give another folder with --run",
        )
    try:
        changes = _check(folder, text, accept_changes)
        if not (folder / RECIPE).is_file() or changes:
            with refusing("writing the recipe"):
                replace_file(RealDisk(), folder / RECIPE, text.encode("utf-8"))
    except CohortError:
        os.close(lock)
        raise
    return Claimed(folder, lock, changes)


def recipe_of(run: Path) -> Recipe:
    """The recipe of a run's folder. Raises RunError where there is none."""
    path = run / RECIPE
    if not path.is_file():
        raise RunError(
            f"{run} holds no run: there is no {RECIPE} in it",
            "name the folder of a run, for example runs/chain",
        )
    return read_recipe(tomllib.loads(path.read_text(encoding="utf-8")), source=str(path))


def status_of(folder: Path) -> str:
    """ "not begun", "running", "finished", "interrupted" or "failed"."""
    database = folder / DATABASE
    if not database.is_file():
        return "not begun"
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as db:
            row = db.execute("SELECT value FROM facts WHERE name = 'status'").fetchone()
    except sqlite3.Error:  # killed before the first table, or no database at all
        return "not begun"
    return str(json.loads(row[0])) if row else "not begun"


def _check(folder: Path, text: str, accept_changes: bool) -> tuple[str, ...]:
    held = folder / RECIPE
    if not held.is_file():
        if (folder / DATABASE).exists():
            raise RunError(f"{folder} holds a run without its recipe", "give another folder")
        return ()
    before = held.read_text(encoding="utf-8")
    if before == text:
        return ()
    changes = _changed(before, text)
    if accept_changes:
        return tuple(changes)
    shown = changes[:2] + ([f"and {len(changes) - 2} more"] if len(changes) > 2 else [])
    raise RunError(
        "\n".join([f"{folder} holds the run of another recipe", *(f"  {line}" for line in shown)]),
        "give another folder with --run, or go on with this one by --accept-changes",
    )


def _changed(before: str, after: str) -> list[str]:
    """The options of which two recipes have different values."""
    try:
        one, other = _flat(tomllib.loads(before)), _flat(tomllib.loads(after))
    except tomllib.TOMLDecodeError as error:
        return [f"its {RECIPE} is no TOML: {error}"]
    names = dict.fromkeys([*one, *other])
    return [
        f"{name}: was {one.get(name, 'not there')!r:.60}, is {other.get(name, 'not there')!r:.60}"
        for name in names
        if one.get(name) != other.get(name)
    ]


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Every value of nested tables by its dotted name."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = {str(number): one for number, one in enumerate(value)}
    if not isinstance(value, dict):
        return {name: value}
    found: dict[str, Any] = {}
    for key, one in value.items():
        found |= _flat(one, f"{name}.{key}" if name else key)
    return found


def _candidates(wanted: Path) -> list[Path]:
    """wanted, wanted-2, ... as far as they are there, and the first that is not."""
    found, number = [wanted], 1
    while found[-1].exists():
        number += 1
        found.append(wanted.with_name(f"{wanted.name}-{number}"))
    return found


def _free(wanted: Path) -> Path:
    return _candidates(wanted)[-1]


def _unfinished(wanted: Path, text: str) -> Path | None:
    """The latest folder, where it holds this recipe's run, not finished, and nobody is at it."""
    there = _candidates(wanted)[:-1]
    if not there:
        return None
    held = there[-1] / RECIPE
    if not held.is_file() or held.read_text(encoding="utf-8") != text:
        return None
    if status_of(there[-1]) == "finished":
        return None
    lock = _lock(there[-1])
    if lock is None:
        return None
    os.close(lock)
    return there[-1]


def _lock(folder: Path) -> int | None:
    """The lock of a folder, as a file descriptor that holds it; None where another process does."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    os.truncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _whose(folder: Path) -> str:
    text = (folder / LOCK).read_text(encoding="utf-8").strip()
    return f" (process {text})" if text.isdigit() else ""
