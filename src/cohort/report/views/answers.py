"""What the page may ask, by name and parameters, and the answer as JSON can hold it.

The server answers requests with it, and a report keeps its answers. Nothing else reads a run for the page. A
question is refused with `AskedError` where its name or a parameter makes no sense, and never guessed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from cohort.report.views import curves, groups, machine, tokens, whole

LONGEST = 2000
"""Characters of a parameter that are read."""

Parameters = Mapping[str, str]


class AskedError(Exception):
    """A question that has no answer: an unknown name, a parameter that is missing or no number."""


def answer(
    db: sqlite3.Connection, run: Path, question: str, given: Parameters
) -> Mapping[str, object]:
    """The answer to a question about a run. Raises AskedError."""
    if any(len(value) > LONGEST for value in given.values()):
        raise AskedError(f"a parameter has more than {LONGEST} characters")
    ask = QUESTIONS.get(question)
    if ask is None:
        raise AskedError("there is no such question")
    found = ask(db, run, given)
    if found is None:
        raise AskedError("there is nothing of this kind in the run")
    return found


def _group(db: sqlite3.Connection, _: Path, given: Parameters) -> Mapping[str, object] | None:
    return groups.group(db, _number(given, "id"))


def _tokens(db: sqlite3.Connection, run: Path, given: Parameters) -> Mapping[str, object]:
    return tokens.tokens(db, _number(given, "id"), tokens.words_of(run))


def _search(db: sqlite3.Connection, _: Path, given: Parameters) -> Mapping[str, object]:
    stage, below = (_perhaps(given, name) for name in ("stage", "below"))
    return groups.search(db, _text(given, "text"), stage=stage, below=below)


QUESTIONS: dict[
    str, Callable[[sqlite3.Connection, Path, Parameters], Mapping[str, object] | None]
] = {
    "run": lambda db, run, _: whole.whole(db, run),
    "pulse": lambda db, run, _: whole.pulse(db),
    "curve": lambda db, run, given: curves.curve(
        db, _number(given, "stage"), _text(given, "metric")
    ),
    "groups": lambda db, run, given: groups.of_step(
        db, _number(given, "stage"), _perhaps(given, "step")
    ),
    "group": _group,
    "tokens": _tokens,
    "history": lambda db, run, given: groups.history(db, _text(given, "problem")),
    "search": _search,
    "machine": lambda db, run, given: machine.machine(db, _number(given, "stage")),
}
"""Every question with what answers it."""


def _text(given: Parameters, name: str) -> str:
    if name not in given:
        raise AskedError(f"the parameter {name} is missing")
    return given[name]


def _number(given: Parameters, name: str) -> int:
    text = _text(given, name)
    if not text.isascii() or not text.removeprefix("-").isdigit() or len(text) > 15:
        raise AskedError(f"the parameter {name} is no whole number")
    return int(text)


def _perhaps(given: Parameters, name: str) -> int | None:
    return _number(given, name) if given.get(name) else None
