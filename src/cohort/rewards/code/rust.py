"""The reward `rust`: a library with its own tests, through cargo build, clippy and test in the sandbox.

The tests are the model's own, and a test that looks at nothing passes. So passing counts only where
the source has tests that speak of its functions, where cargo's own harness reports every one of them, and
where the same tests fail once every function outside them panics. Nothing else that the tests' process
does, its exit code included, is taken for a result. That tests ask for the right thing is beyond this.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from cohort.errors import RewardError
from cohort.rewards.code.cargo import Toolchain, ran, toolchain
from cohort.rewards.code.found import rust_in
from cohort.rewards.code.rust_source import RustSource, read_rust
from cohort.rewards.outcome import Failed, Outcome, Scored, Unscorable
from cohort.rewards.reading import Text, text_of
from cohort.rewards.sandbox.sandbox import Sandbox

MOST_ASSERTS = 4
"""So many telling asserts are worth all that asserts are worth."""

MEMORY_BYTES = 2 * 2**30
_RESULT = re.compile(
    rb"^test result: (ok|FAILED)\. (\d{1,6}) passed; (\d{1,6}) failed; (\d{1,6}) ignored;",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Findings:
    """What held of a source; `reason` tells of the first thing that did not."""

    build: bool = False
    clippy: bool = False
    test: bool = False
    asserts: int = 0
    reason: str = ""


def rust(
    *,
    completions: Sequence[Text],
    build: float = 0.2,
    clippy: float = 0.2,
    test: float = 0.4,
    asserts: float = 0.2,
    seconds: float = 60.0,
    **_: object,
) -> list[Outcome]:
    """The sum of the weights of what held: it builds, clippy has no error, its tests tell and pass.

    `asserts` is given in quarters, for each different assert in passed tests that speaks of what
    the program defines. `seconds` is for each run of cargo. No program or one that does not build is
    0.0; without a toolchain nothing can be said: Unscorable.
    """
    found = toolchain()
    if isinstance(found, str):
        return [Unscorable(found) for _ in completions]
    said: list[Outcome] = []
    for completion in completions:
        try:
            findings = examined(_sandbox(), found, text_of(completion), seconds)
        except RewardError as error:
            said.append(Failed("crashed", error.message, retryable=True))
            continue
        worth = build * findings.build + clippy * findings.clippy + test * findings.test
        worth += asserts * min(findings.asserts, MOST_ASSERTS) / MOST_ASSERTS
        said.append(Scored(worth))
    return said


def examined(sandbox: Sandbox, found: Toolchain, text: str, seconds: float) -> Findings:
    """Build, lint and test the program of a completion. Raises RewardError where cargo cannot run."""
    program = rust_in(text)
    if program is None:
        return Findings(reason="there is no program in the answer")
    source = read_rust(program)
    if not source.own.strip():
        return Findings(reason="there is no code outside the tests")

    def cargo(text: str, *words: str) -> tuple[bool, bytes]:
        report = ran(sandbox, found, text, *words, seconds=seconds, memory=MEMORY_BYTES)
        return report.end == "exited" and report.code == 0, report.stdout

    if not cargo(_silent_about_unused(program), "build", "--lib")[0]:
        return Findings(reason="it does not build")
    linted = (
        not source.silences_clippy and cargo(_silent_about_unused(program), "clippy", "--lib")[0]
    )
    complaint = source.complaint() or _test_complaint(source, cargo(program, *TEST))
    if not complaint:
        complaint = _hollow_complaint(cargo(source.hollowed(), *TEST)[1])
    return Findings(
        build=True,
        clippy=linted,
        test=not complaint,
        asserts=0 if complaint else source.telling_asserts,
        reason=complaint or ("" if linted else "clippy has an error, or was told not to look"),
    )


TEST = ("test", "--lib", "--", "--test-threads=1", "--color=never")


def _silent_about_unused(program: str) -> str:
    return "#![allow(dead_code)]\n" + program


def _test_complaint(source: RustSource, ended: tuple[bool, bytes]) -> str:
    """Why the tests did not pass; empty where each of them is reported, by one report."""
    well, output = ended
    results = _RESULT.findall(output)
    if not well or len(results) != 1 or results[0][0] != b"ok":
        return "its tests do not pass"
    _, passed, failed, ignored = results[0]
    if (int(passed), int(failed), int(ignored)) != (source.test_count, 0, 0):
        return "not every test was run"
    return ""


def _hollow_complaint(output: bytes) -> str:
    """Why the tests tell nothing; empty where they fail, by the report, on functions that panic."""
    results = _RESULT.findall(output)
    fails = len(results) == 1 and results[0][0] == b"FAILED" and int(results[0][2]) > 0
    return "" if fails else "its tests do not depend on its functions"


@cache
def _sandbox() -> Sandbox:
    return Sandbox()
