"""Pairs of answers as rows have them: `chosen` and `rejected`, and the prompt that both answer.

The forms are TRL's: texts, or lists of chat messages; with a prompt of the same form in a column of
its own, or without, and then the prompt is what both begin with. Of texts that is cut back to the end
of a word, so that no number or word is divided between prompt and answer. Refused: answers of several
messages, and rows where nothing is shared, or nothing differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cohort.data.records import Problem
from cohort.errors import DataError, legible

CHOSEN, REJECTED = "chosen", "rejected"


@dataclass(frozen=True, slots=True)
class Pair:
    """A problem with two answers to it, of which the first is preferred."""

    problem: Problem
    chosen: str
    rejected: str


def pair_of(problem: Problem) -> Pair:
    """The pair in a problem's columns. Raises DataError where there is none."""
    return Pair(problem, _answer(problem, CHOSEN), _answer(problem, REJECTED))


def with_prompt(values: Mapping[str, object], column: str, where: str) -> dict[str, object]:
    """The columns with the prompt that both answers begin with in `column`, and the answers without it.

    Unchanged where they are no pair, and where the prompt is there in the form that they have.
    """
    chosen, rejected = values.get(CHOSEN), values.get(REJECTED)
    given = values.get(column)
    pair = (str, list, tuple)
    if not isinstance(chosen, pair) or not isinstance(rejected, pair):
        return dict(values)
    if given is not None and isinstance(given, str) == isinstance(chosen, str):
        return dict(values)
    if isinstance(chosen, str) and isinstance(rejected, str):
        shared = _shared_text(chosen, rejected)
    elif isinstance(chosen, str) or isinstance(rejected, str):
        raise DataError(
            f"{where}: one of chosen and rejected is text, and one a list of messages",
            "give both the same form",
        )
    else:
        shared = _shared(chosen, rejected)
    if not shared or shared in (len(chosen), len(rejected)) or chosen == rejected:
        what = (
            "begin with nothing that could be their prompt" if not shared else "are no two answers"
        )
        raise DataError(
            f"{where} has no prompt, and its chosen and rejected {what}",
            f"give it a column {column}, or name the one it has: problems.prompt",
        )
    parts = {column: chosen[:shared], CHOSEN: chosen[shared:], REJECTED: rejected[shared:]}
    return {**values, **parts}


def _shared(chosen: Sequence[Any], rejected: Sequence[Any]) -> int:
    """How many messages, or characters, both begin with."""
    same = [one == other for one, other in zip(chosen, rejected, strict=False)]
    return same.index(False) if False in same else len(same)


def _shared_text(chosen: str, rejected: str) -> int:
    """How many characters both begin with, up to the end of a word; what separates is the answers'."""
    common = chosen[: _shared(chosen, rejected)]
    stripped = common.rstrip()
    if stripped != common or not stripped:
        return len(stripped)
    head, *word = common.rsplit(None, 1)
    return len(head) if word else 0


def _answer(problem: Problem, column: str) -> str:
    value = problem.columns.get(column)
    if isinstance(value, (list, tuple)) and len(value) == 1 and isinstance(value[0], Mapping):
        message = value[0]
        value = message.get("content") if message.get("role") == "assistant" else None
    if isinstance(value, str):
        return value
    raise DataError(
        f"problem {legible(repr(problem.id))} has no answer in the column {column}: "
        f"{legible(repr(value))}",
        "pairs are rows with chosen and rejected, each a text or one assistant message; with rewards "
        "the stage samples its pairs instead",
    )
