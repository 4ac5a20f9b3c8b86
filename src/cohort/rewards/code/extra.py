"""What the reference says: to inputs that a generator makes, and to tests that expect nothing yet.

The reference and the generator are the problem's, not the model's; they still run in a sandbox, of their
own. Their answers are kept for as long as the process lives: a group's candidates share them.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from typing import Any

from cohort.rewards.code.candidate import Candidate, TamperedError
from cohort.rewards.code.cases import Call, Case, Expected, Unreadable
from cohort.rewards.code.nodes import checked
from cohort.rewards.code.tests import Tests
from cohort.rewards.code.wire import encode, line_of
from cohort.rewards.sandbox.program import Limits
from cohort.rewards.sandbox.sandbox import Sandbox

SECONDS = 10.0
"""For one answer of a reference."""


def completed(sandbox: Sandbox, tests: Tests) -> Tests:
    """The tests with every expected value, and the generated ones among them. Raises Unreadable."""
    if not tests.reference:
        return tests
    source = "\n\n".join((tests.before, tests.reference, tests.generator))
    cases = list(tests.cases)
    if tests.generator:
        questions = [["call", "generate", encode([n]), encode({})] for n in range(tests.extra)]
        made = _answers(sandbox, source, line_of(questions).decode())
        cases += [_call(tests, arguments) for arguments in made]
    unknown = [c for c in cases if isinstance(c, Call) and _expects_nothing(c)]
    said = iter(_answers(sandbox, source, line_of([c.question for c in unknown]).decode()))
    known: list[Case] = [
        replace(c, expected=c.expected.known(next(said)))
        if isinstance(c, Call) and _expects_nothing(c)
        else c
        for c in cases
    ]
    return replace(tests, cases=tuple(known))


def _expects_nothing(case: Call) -> bool:
    return case.expected.node is None and case.expected.truth is None


def _call(tests: Tests, arguments: list[Any]) -> Call:
    if arguments[0] not in ("list", "tuple"):
        raise Unreadable(f"generate returned {arguments[0]}, not a list of arguments")
    expected = Expected(exact=tests.exact_types, tolerance=tests.tolerance)
    return Call(tests.entry_point, ["list", arguments[1]], encode({}), expected)


@lru_cache(maxsize=1024)
def _answers(sandbox: Sandbox, source: str, questions: str) -> tuple[list[Any], ...]:
    """The values of the reference's answers. Raises Unreadable where one is missing."""
    asked = json.loads(questions)
    limits = Limits(wall_seconds=SECONDS * 3, cpu_seconds=SECONDS * 3, memory_bytes=2**30)
    answers: list[list[Any]] = []
    with Candidate(sandbox, source, limits) as reference:
        try:
            for question in [["load"], *asked]:
                answer = reference.ask(question, SECONDS)
                if answer.kind not in ("value", "done"):
                    raise Unreadable(f"the reference: {answer.kind} {answer.told or ''}".strip())
                if answer.kind == "value":
                    answers.append(checked(answer.told))
        except TamperedError as error:
            raise Unreadable(f"the reference: {error}") from error
    return tuple(answers)
