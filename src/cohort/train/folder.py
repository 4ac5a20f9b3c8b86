"""The folder of a run: one recipe's run, taken once.

    runs/NAME/   recipe.toml  run.db  model/  report.html  profile.json (where it was asked for)

A folder that holds a run is never written into again.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from cohort.config.load import dump_recipe
from cohort.config.recipe import Recipe
from cohort.errors import RunError

RECIPE, DATABASE, MODEL = "recipe.toml", "run.db", "model"


def claim(recipe: Recipe, run: Path | None, name: str) -> Path:
    """Make the run's folder and write the resolved recipe into it.

    Without `run` it is runs/NAME, or the first of runs/NAME-2, runs/NAME-3, ... that is free.
    Raises RunError when the folder that was asked for is taken.
    """
    folder = run or _free(Path("runs") / name)
    text = dump_recipe(recipe)
    if (folder / RECIPE).exists() or (folder / DATABASE).exists():
        raise RunError(*_taken(folder, text))
    if folder.is_file():
        raise RunError(f"{folder} is a file", "give a folder with --run")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RECIPE).write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunError(
            f"{folder} cannot be written: {error.strerror}", "give another folder with --run"
        ) from error
    return folder


def _free(wanted: Path) -> Path:
    folder, number = wanted, 1
    while folder.exists():
        number += 1
        folder = wanted.with_name(f"{wanted.name}-{number}")
    return folder


def _taken(folder: Path, text: str) -> tuple[str, str]:
    held = folder / RECIPE
    if not held.is_file() or held.read_text(encoding="utf-8") != text:
        return f"{folder} holds the run of another recipe", "give another folder with --run"
    status = _status(folder / DATABASE)
    return (
        f"{folder} holds a run of this recipe already ({status})",
        "give another folder with --run; `cohort show` looks at this one",
    )


def _status(database: Path) -> str:
    if not database.is_file():
        return "not begun"
    with sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True) as db:
        row = db.execute("SELECT value FROM facts WHERE name = 'status'").fetchone()
    return str(row[0]).strip('"') if row else "not begun"
