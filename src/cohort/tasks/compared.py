"""Rows that hold answers to be compared, in the forms in which such data sets come.

    chosen, rejected             two answers, the better one first; a prompt that is not there is what
                                 both begin with (Anthropic's texts, TRL's implicit prompts)
    answers [, scores]           a list, best first or with their scores
    steps, labels                the steps of one answer, and whether each is right (TRL's stepwise form)

A column `completions` that is a list is `steps` where there are labels, else `answers`: reward functions
know another thing by that name.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from cohort.errors import DataError, legible

CHOSEN, REJECTED, ANSWERS, SCORES, STEPS, LABELS = (
    "chosen",
    "rejected",
    "answers",
    "scores",
    "steps",
    "labels",
)
COMPLETIONS = "completions"


def compared(values: Mapping[str, object], prompt: str, where: str) -> dict[str, object]:
    """A row's columns with these names; `prompt` is the column that holds the prompt, "" where none does."""
    found = dict(values)
    if isinstance(found.get(COMPLETIONS), list | tuple):
        name = STEPS if LABELS in found else ANSWERS
        if name in found:
            raise DataError(
                f"{where} has the columns {COMPLETIONS} and {name}, which are the same thing",
                f"remove one of them, or rename it: problems.columns = {{ other = {name!r} }}",
            )
        found[name] = found.pop(COMPLETIONS)
    if prompt and prompt not in found and CHOSEN in found and REJECTED in found:
        found |= _split(found[CHOSEN], found[REJECTED], prompt, where)
    return found


def _split(chosen: Any, rejected: Any, prompt: str, where: str) -> dict[str, object]:
    """What two texts or chats begin with as the prompt, and the rest of each."""
    size = 0
    if isinstance(chosen, str | list) and type(chosen) is type(rejected):
        alike = (one == other for one, other in zip(chosen, rejected, strict=False))
        size = sum(1 for _ in itertools.takewhile(bool, alike))
    if isinstance(chosen, str) and size < min(len(chosen), len(rejected)):
        size -= chosen[:size].endswith(" ")  # tokenizers put a space before a word, and to it
    if not size or chosen == rejected:
        kinds = f"{legible(repr(chosen), 60)} and {legible(repr(rejected), 60)}"
        raise DataError(
            f"{where} has no column {prompt!r}, and chosen and rejected are no answers to one prompt: "
            f"{kinds}",
            "give the prompt, or two texts or chats that begin alike and differ",
        )
    return {prompt: chosen[:size], CHOSEN: chosen[size:], REJECTED: rejected[size:]}
