"""A check that is code: run in a second sandbox, which puts its calls to the candidate through the judge.

Two processes that do not know each other: the one has the check and its expected values, the other
the candidate. What passes between them is plain data, read and checked here on the way.
"""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cohort.data import keyed
from cohort.rewards.code.cases import Check
from cohort.rewards.code.exchange import exchanged
from cohort.rewards.code.nodes import MalformedError, checked, parsed
from cohort.rewards.code.wire import line_of
from cohort.rewards.sandbox.program import Limits, Program

if TYPE_CHECKING:
    from cohort.rewards.code.trial import Trial

MEMORY_BYTES = 2**30


def holds(trial: Trial, check: Check) -> bool:
    """Whether the check ends well, twice. Raises TamperedError where the candidate did not play fair.

    The order of its calls cannot be changed, so before the second time one of them is made once more:
    a candidate that goes by how often it was called is then off by one.
    """
    calls: list[list[Any]] = []
    if not _holds_once(trial, check, calls):
        return False
    if len(calls) < 2 or trial.tests.fresh_process:
        return True
    again = trial.ask(calls[keyed.digest("call again", check.source) % len(calls)])
    if again.kind == "silent":
        return False
    trial.trouble = ""
    return _holds_once(trial, check, [])


def _holds_once(trial: Trial, check: Check, calls: list[list[Any]]) -> bool:
    left = trial.deadline - time.monotonic()
    limits = Limits(
        wall_seconds=max(left, 0.0) + 1,
        cpu_seconds=max(left, 0.0) + 1,
        memory_bytes=MEMORY_BYTES,
        output_bytes=64 * 2**20,
    )
    session = trial.sandbox.start(Program(files=_checker(), limits=limits))
    try:
        message = line_of(_asked(trial, check))
        while True:
            line = exchanged(session, message, trial.deadline - time.monotonic())
            kind, *told = ["failed", "no verdict"] if line is None else parsed(line)
            if kind != "call":
                trial.trouble = trial.trouble or ("" if kind == "passed" else f"{told[0]}"[:100])
                return bool(kind == "passed") and not trial.trouble
            name, arguments, keywords = told
            calls.append(["call", name, checked(arguments), checked(keywords)])
            message = line_of(_answered(trial, calls[-1]))
    except MalformedError as error:
        trial.trouble = f"the check said what it cannot say: {error}"
        return False
    finally:
        session.close()


def _asked(trial: Trial, check: Check) -> dict[str, Any]:
    return {
        "before": trial.tests.before,
        "source": check.source,
        "call": check.call,
        "entry_point": trial.tests.entry_point,
        "stand_ins": dict(check.stand_ins),
        "modules": list(check.modules),
        "seed": str(keyed.digest("check", check.source)),
    }


def _answered(trial: Trial, question: list[Any]) -> list[Any]:
    """What the check is told of one call: a value, or the name of what was raised."""
    answer = trial.ask(question)
    if answer.kind == "value":
        return ["value", answer.told]
    if answer.kind == "raised":
        trial.trouble = ""  # a check may expect that
        return ["raised", answer.told]
    return ["raised", "TimeoutError"]


@cache
def _checker() -> dict[str, bytes]:
    here = Path(__file__).parent
    names = {"main.py": "checker.py", "wire.py": "wire.py"}
    return {name: (here / file).read_bytes() for name, file in names.items()}
