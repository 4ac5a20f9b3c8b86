"""The reward `python`: a program in the answer, tried against the problem's tests in the sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from cohort.errors import RewardError
from cohort.rewards.code.cases import Unreadable
from cohort.rewards.code.extra import completed
from cohort.rewards.code.found import parses, python_in
from cohort.rewards.code.tests import read_tests
from cohort.rewards.code.trial import Bounds, Verdict, tried
from cohort.rewards.outcome import Failed, Outcome, Scored, Unscorable
from cohort.rewards.reading import Text, text_of
from cohort.rewards.sandbox.sandbox import Sandbox


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


def verdict_on(
    sandbox: Sandbox,
    text: str,
    column: object,
    given: dict[str, str],
    *,
    bounds: Bounds,
    whole: bool,
) -> Verdict:
    """Judge the program in a text; with `whole` until the first test fails. Raises Unreadable.

    What the reward is made of, and why: for those who look at single answers. RewardError is
    raised where the sandbox does not work, which is never the candidate's doing.
    """
    tests = completed(sandbox, read_tests(column, **given))
    source = python_in(text)
    if source is None:
        return Verdict(0, len(tests.cases), "there is no program in the answer")
    if not parses(source):
        return Verdict(0, len(tests.cases), "the program is no Python")
    return tried(sandbox, source, tests, bounds, to_the_end=not whole)


def _outcome(
    text: str, column: object, given: dict[str, str], bounds: Bounds, whole: bool
) -> Outcome:
    try:
        verdict = verdict_on(_sandbox(), text, column, given, bounds=bounds, whole=whole)
    except Unreadable as error:
        return Unscorable(f"{error}")
    except RewardError as error:
        return Failed("crashed", error.message, retryable=True)
    if verdict.tampered or not verdict.total:
        return Scored(0.0)
    if whole:
        return Scored(float(verdict.passed == verdict.total))
    return Scored(verdict.passed / verdict.total)


@cache
def _sandbox() -> Sandbox:
    """The strongest that is here; made at the first call, in the process that scores."""
    return Sandbox()
