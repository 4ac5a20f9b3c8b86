"""The trial of one candidate: its tests in an order it cannot know, and how many of them it passed.

Nothing of the candidate runs here, and no expected value leaves. The order is a function of the
candidate's own text and the tests, so the same answer is judged alike each time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cohort.data import keyed
from cohort.rewards.code.candidate import Answer, Candidate, TamperedError
from cohort.rewards.code.cases import Case, Check, Spoken
from cohort.rewards.code.checks import holds
from cohort.rewards.code.nodes import is_true, same
from cohort.rewards.code.spoken import printed_right
from cohort.rewards.code.tests import Tests
from cohort.rewards.sandbox.program import Limits
from cohort.rewards.sandbox.sandbox import Sandbox

TIMES = 4
"""A candidate has as long as this many answers may take for all of its tests together."""

PROCESSES = 4
"""How often a candidate is started anew because its process ended or was silent."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many tests were passed; the reason is that of the first one that was not."""

    passed: int
    total: int
    reason: str = ""
    tampered: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one candidate may use: seconds for one answer, and memory."""

    seconds: float = 5.0
    memory_bytes: int = 512 * 2**20

    @property
    def limits(self) -> Limits:
        """The sandbox's, which end what the judge no longer waits for."""
        whole = self.seconds * TIMES
        return Limits(
            wall_seconds=whole + 1,
            cpu_seconds=whole + 1,
            memory_bytes=self.memory_bytes,
            output_bytes=16 * 2**20,
        )


def tried(
    sandbox: Sandbox, source: str, tests: Tests, bounds: Bounds, *, to_the_end: bool
) -> Verdict:
    """Judge a program; with `to_the_end` every test is tried, else none after the first that fails."""
    names = [str(number) for number in range(len(tests.cases))]
    cases = keyed.shuffled(tests.cases, names, "order of tests", tests.before, source)
    with Trial(sandbox, source, tests, bounds) as trial:
        try:
            return trial.judged(cases, to_the_end)
        except TamperedError as error:
            return Verdict(0, len(cases), f"tampered: {error}", tampered=True)


class Trial:
    """A candidate's process, started when it is needed, and the time that is left."""

    def __init__(self, sandbox: Sandbox, source: str, tests: Tests, bounds: Bounds) -> None:
        self.sandbox, self.source, self.tests, self.bounds = sandbox, source, tests, bounds
        self.deadline = time.monotonic() + bounds.seconds * TIMES
        self.candidate: Candidate | None = None
        self.started = 0
        self.trouble = ""
        self.is_hopeless = False

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *_: object) -> None:
        self.ended()

    def judged(self, cases: Sequence[Case], to_the_end: bool) -> Verdict:
        """Try the cases in this order. Raises TamperedError."""
        passed, reason = 0, ""
        for case in cases:
            self.trouble = ""
            right = self._passes(case)
            passed += right
            if not right:
                reason = reason or self.trouble or "a wrong answer"
                if self.is_hopeless or not to_the_end:
                    break
            if self.tests.fresh_process:
                self.ended()
        return Verdict(passed, len(cases), reason)

    def _passes(self, case: Case) -> bool:
        if isinstance(case, Spoken):
            return self._prints(case)
        if isinstance(case, Check):
            return holds(self, case)
        answer = self.ask(case.question)
        if answer.kind != "value":
            return False
        expected = case.expected
        if expected.truth is not None:
            return is_true(answer.told) is expected.truth
        assert expected.node is not None, "the reference was not asked"
        exact, tolerance = expected.exact, expected.tolerance
        return same(expected.node, answer.told, exact=exact, tolerance=tolerance)

    def ask(self, question: Sequence[Any]) -> Answer:
        """Put a question to the candidate, in a process that is started if there is none."""
        if self.candidate is None and not self._start():
            return Answer("silent")
        return self._heard(question)

    def left(self) -> float:
        """Seconds for the next answer."""
        return min(self.bounds.seconds, self.deadline - time.monotonic())

    def ended(self) -> None:
        """End the process, if there is one."""
        if self.candidate is not None:
            self.candidate.close()
            self.candidate = None

    def _start(self) -> bool:
        if self.started == PROCESSES and not self.tests.fresh_process:
            self.trouble = f"its process ended or was silent {PROCESSES} times"
            self.is_hopeless = True
            return False
        self.started += 1
        limits, before = self.bounds.limits, self.tests.before
        self.candidate = Candidate(self.sandbox, self.source, limits, before=before)
        loaded = self._heard(["load", *self._needed()])
        if loaded.kind == "missing":
            self.trouble = f"there is no {loaded.told}"
        if loaded.kind == "done" and self.tests.setup:
            loaded = self._heard(["setup", self.tests.setup])
        if loaded.kind != "done":
            self.is_hopeless = True  # what cannot be loaded cannot be loaded a second time
            self.ended()
        return loaded.kind == "done"

    def _heard(self, question: Sequence[Any]) -> Answer:
        assert self.candidate is not None
        answer = self.candidate.ask(question, self.left())
        if answer.kind == "silent":
            self.ended()
            self.trouble = "no answer in time" if self.left() > 0 else "no time was left"
        elif answer.kind == "raised":
            self.trouble = f"it raised {answer.told[:100]}"
        return answer

    def _needed(self) -> list[str]:
        name = self.tests.entry_point
        return [name.partition(".")[0]] if name else []

    def _prints(self, case: Spoken) -> bool:
        if self.left() <= 0:
            self.trouble = "no time was left"
            return False
        before, limits = self.tests.before, replace(self.bounds.limits, wall_seconds=self.left())
        source = f"{before}\n\n{self.source}" if before else self.source
        right, self.trouble = printed_right(self.sandbox, source, case, limits)
        return right
