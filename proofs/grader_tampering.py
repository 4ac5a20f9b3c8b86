"""Wrong programs that tamper with their grader: none is taken for a right one.

    python -m proofs.grader_tampering [--short]

Each is judged by calls, by asserts, by a check that is code and by a reference with generated inputs. It
held when none of these says that all tests were passed. Beside it stand the graders that are usual: a
file of the program and its asserts whose exit code counts, one of unittest, and one that has to print a
marker; they run in the same sandbox and are told how many of the programs fool them. The right program
has to pass everywhere, and one that has learnt the answers by heart must not pass generated inputs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from cohort.data import keyed
from cohort.rewards.code.python import verdict_on
from cohort.rewards.code.trial import Bounds
from cohort.rewards.sandbox.program import Limits, Program, Report
from cohort.rewards.sandbox.sandbox import Sandbox
from proofs.command import main
from tests.rewards.code.forging import FORGING
from tests.rewards.code.tampering import (
    ASSERTS,
    CALLS,
    CHECK,
    GENERATED,
    KNOWS_THE_PROMPT,
    RIGHT,
    TAMPERING,
)

FORMS: dict[str, object] = {
    "calls": CALLS,
    "asserts": ASSERTS,
    "check": CHECK,
    "generated": GENERATED,
}
BOUNDS = Bounds(seconds=1.0)
LIMITS = Limits(wall_seconds=2.0)
SHORT = 20

MARKER = "ALL TESTS PASSED"
EXIT_CODE = "{program}\n\n{asserts}\n"
STDOUT = EXIT_CODE + f"print({MARKER!r})\n"
UNITTEST = """{program}

import unittest

class Tests(unittest.TestCase):
    def test_all(self):
{equals}

unittest.main()
"""

USUAL: dict[str, tuple[str, Callable[[Report], bool]]] = {
    "exit_code": (EXIT_CODE, lambda report: report.end == "exited" and report.code == 0),
    "unittest": (UNITTEST, lambda report: report.end == "exited" and report.code == 0),
    "marker": (STDOUT, lambda report: MARKER.encode() in report.stdout),
}


def prove(short: bool, seed: int) -> dict[str, object]:
    """Try every program with every grader."""
    programs = TAMPERING | FORGING
    names = keyed.shuffled(list(programs), list(programs), seed, "tampering")
    names = names[:SHORT] if short else names
    fooled: dict[str, list[str]] = {grader: [] for grader in (*FORMS, *USUAL)}
    failures: list[str] = []
    shares: dict[str, float] = {}
    began = time.monotonic()
    sandbox = Sandbox()
    try:
        for grader in fooled:
            if not _passes(sandbox, grader, RIGHT)[0]:
                failures.append(f"the right program: {grader} does not pass it")
        if _passes(sandbox, "generated", KNOWS_THE_PROMPT)[0]:
            failures.append("answers learnt by heart: generated was fooled")
        for name in names:
            for grader in fooled:
                passed, share = _passes(sandbox, grader, programs[name])
                fooled[grader] += [name] * passed
                shares[name] = max(shares.get(name, 0.0), share)
    finally:
        sandbox.close()
    failures += [f"{name}: {form} was fooled" for form in FORMS for name in fooled[form]]
    best = max(shares, key=lambda name: shares[name])
    return {
        "name": "programs that tamper with their grader",
        "asked": len(names) + 2,
        "programs": len(names),
        "held": len(names) + 2 - len({failure.split(":")[0] for failure in failures}),
        "failures": failures,
        "false_passes": {form: len(fooled[form]) for form in FORMS},
        "that_fool_the_usual": {grader: len(fooled[grader]) for grader in USUAL},
        "that_fool_at_least_one": len({name for grader in USUAL for name in fooled[grader]}),
        "most_tests_passed": f"{shares[best]:.0%} ({best})",
        "tier": sandbox.tier,
        "seconds_of_a_judgement": round(
            (time.monotonic() - began) / (len(names) + 1) / len(fooled), 2
        ),
    }


def _passes(sandbox: Sandbox, grader: str, program: str) -> tuple[bool, float]:
    """Whether a grader takes a program for right, and by ours the share of tests that it passes."""
    if grader in FORMS:
        text = f"```python\n{program}\n```"
        verdict = verdict_on(sandbox, text, FORMS[grader], {}, bounds=BOUNDS, whole=False)
        share = 0.0 if verdict.tampered else verdict.passed / verdict.total
        return share == 1.0, share
    template, passes = USUAL[grader]
    lines = [f"        self.assertEqual({_sides(line)})" for line in ASSERTS.splitlines()]
    source = template.format(program=program, asserts=ASSERTS, equals="\n".join(lines))
    return passes(sandbox.run(Program(files={"main.py": source.encode()}, limits=LIMITS))), 0.0


def _sides(line: str) -> str:
    return line.removeprefix("assert ").replace(" == ", ", ")


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
