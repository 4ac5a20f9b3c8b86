"""The reward `python`: a program in the answer, tried against the problem's tests in the sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from cohort.rewards.code.cases import Unreadable
from cohort.rewards.code.extra import completed
from cohort.rewards.code.found import parses, python_in
from cohort.rewards.code.tests import read_tests
from cohort.rewards.code.trial import Bounds, Verdict, tried
from cohort.rewards.outcome import Failed, Outcome, Scored, Unscorable
from cohort.rewards.reading import Text, text_of
from cohort.rewards.sandbox.tiers import Sandbox


def python(
    *,
    completions: Sequence[Text],
    tests: Sequence[object],
    entry_point: Sequence[str | None] | None = None,
    before: Sequence[str | None] | None = None,
    all_or_nothing: bool = False,
    seconds: float = 5.0,
    memory_megabytes: int = 512,
    **_: object,
) -> list[Outcome]:
    """The share of the tests that the completion's program passes; 1.0 or 0.0 with `all_or_nothing`.

    Where the program is: `found.python_in`. The forms of `tests`: `tests.read_tests`. `seconds` is
    what one answer may take; all together four times that. No program, no entry point, a crash, a
    wrong type and tampering are 0.0; tests that cannot be read are Unscorable.
    """
    bounds = Bounds(seconds, memory_megabytes * 2**20)
    names = entry_point or [None] * len(completions)
    starts = before or [None] * len(completions)
    said: list[Outcome] = []
    for completion, column, name, start in zip(completions, tests, names, starts, strict=True):
        given = {"entry_point": name or "", "before": start or ""}
        said.append(_outcome(text_of(completion), column, given, bounds, all_or_nothing))
    return said
