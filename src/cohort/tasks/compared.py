"""Rows that hold answers to be compared, in the forms in which such data sets come.

    chosen, rejected             two answers, the better one first (`data.pairs`)
    answers [, scores]           a list, best first or with their scores
    steps, labels                the steps of one answer, and whether each is right (TRL's stepwise form)

A column `completions` that is a list is `steps` where there are labels, else `answers`: reward functions
know another thing by that name.
"""

from __future__ import annotations

from collections.abc import Mapping

from cohort.errors import DataError

ANSWERS, SCORES, STEPS, LABELS = "answers", "scores", "steps", "labels"
COMPLETIONS = "completions"


def compared(values: Mapping[str, object], where: str) -> dict[str, object]:
    """A row's columns with these names."""
    found = dict(values)
    if isinstance(found.get(COMPLETIONS), list | tuple):
        name = STEPS if LABELS in found else ANSWERS
        if name in found:
            raise DataError(
                f"{where} has the columns {COMPLETIONS} and {name}, which are the same thing",
                f"remove one of them, or rename it: problems.columns = {{ other = {name!r} }}",
            )
        found[name] = found.pop(COMPLETIONS)
    return found
