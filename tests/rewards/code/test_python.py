"""Python against tests, in the sandbox: right programs pass, and tampering does not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest

from cohort.data import keyed
from cohort.errors import RewardError
from cohort.rewards.code import python as rewarded
from cohort.rewards.code.python import python, verdict_on
from cohort.rewards.code.trial import Bounds, Verdict
from cohort.rewards.outcome import Scored, Unscorable
from cohort.rewards.sandbox.sandbox import Sandbox
from tests.rewards.code import honest
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

PROGRAMS = TAMPERING | FORGING
SOME = keyed.shuffled(list(PROGRAMS), list(PROGRAMS), 2, "some")[:15]
HONEST = [*islice(honest.functions(), 15), *islice(honest.spoken(), 5)]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    try:
        made = Sandbox()
    except RewardError as error:
        pytest.skip(error.message)
    yield made
    made.close()


def judged(
    sandbox: Sandbox, program: str, tests: object, *, name: str = "", whole: bool = False
) -> Verdict:
    text = f"```python\n{program}\n```"
    bounds = Bounds(seconds=10.0)
    return verdict_on(sandbox, text, tests, {"entry_point": name}, bounds=bounds, whole=whole)


@pytest.mark.parametrize("name", SOME)
def test_a_program_that_tampers_is_not_right(sandbox: Sandbox, name: str) -> None:
    text = f"```python\n{PROGRAMS[name]}\n```"
    form = CHECK if len(name) % 2 else CALLS
    verdict = verdict_on(sandbox, text, form, {}, bounds=Bounds(seconds=1.0), whole=True)
    assert verdict.passed < verdict.total, verdict


@pytest.mark.parametrize("case", HONEST, ids=lambda case: case[0])
def test_a_right_program_passes_all_of_its_tests(
    sandbox: Sandbox, case: tuple[str, str, object, str]
) -> None:
    _, program, tests, entry_point = case
    assert judged(sandbox, program, tests, name=entry_point) == Verdict(5, 5)


@pytest.mark.parametrize("tests", [CALLS, ASSERTS, CHECK, GENERATED])
def test_every_form_of_tests_tells_right_from_wrong(sandbox: Sandbox, tests: object) -> None:
    right = judged(sandbox, RIGHT, tests)
    wrong = judged(sandbox, RIGHT.replace("== 0", "!= 0"), tests)
    assert right.passed == right.total
    assert wrong.passed < wrong.total


def test_inputs_that_were_not_seen_find_answers_learnt_by_heart(sandbox: Sandbox) -> None:
    assert judged(sandbox, KNOWS_THE_PROMPT, CALLS) == Verdict(5, 5)
    assert judged(sandbox, KNOWS_THE_PROMPT, GENERATED).passed == 5


def test_a_test_that_crashes_or_hangs_costs_itself_alone(sandbox: Sandbox) -> None:
    program = RIGHT + "right = solve\ndef solve(n):\n    import os, time\n"
    program += "    if n == [2]: os._exit(0)\n    if n == []: time.sleep(9)\n    return right(n)\n"
    text = f"```python\n{program}\n```"
    verdict = verdict_on(sandbox, text, CALLS, {}, bounds=Bounds(seconds=0.8), whole=False)
    assert (verdict.passed, verdict.total, verdict.tampered) == (3, 5, False)
    assert "no answer" in verdict.reason


def test_bytes_before_the_question_are_tampering(sandbox: Sandbox) -> None:
    verdict = judged(sandbox, FORGING["answers before it is asked"], CALLS)
    assert verdict.tampered
    assert verdict.passed == 0


def test_what_is_said_past_the_driver_is_an_answer_and_no_more(sandbox: Sandbox) -> None:
    """The programs of `forging` do reach the pipe: what they lack is the value to say there."""
    program = FORGING["says done"].replace('"done"', '"value", ["int", "14"]')
    for expected in (0x14, 15):
        tests = {"entry_point": "solve", "tests": [{"args": [[]], "expected": expected}]}
        assert judged(sandbox, program, tests).passed == (expected == 0x14)


def test_a_check_may_expect_that_something_is_raised(sandbox: Sandbox) -> None:
    check = "def check(f):\n    try:\n        f('a')\n    except ValueError:\n        return\n"
    check += "    assert False"
    tests = {"tests": check, "entry_point": "f"}
    assert judged(sandbox, "f = int", tests) == Verdict(1, 1)
    assert judged(sandbox, "f = str", tests).reason == "AssertionError"


def test_a_process_for_each_test_forgets(sandbox: Sandbox) -> None:
    program = "seen = []\ndef f(n):\n    seen.append(n)\n    return len(seen)\n"
    tests = {"tests": [{"args": [n], "expected": 1} for n in range(3)], "entry_point": "f"}
    assert judged(sandbox, program, tests).passed == 1
    assert judged(sandbox, program, {**tests, "fresh_process": True}) == Verdict(3, 3)


def test_what_comes_before_is_run_before_and_by_itself(sandbox: Sandbox) -> None:
    """An answer may begin with an import of the future, and use what the problem gives."""
    program = "from __future__ import annotations\ndef f(n: Missing) -> int:\n    return twice(n)\n"
    tests = {"tests": "assert f(2) == 4", "before": "def twice(n):\n    return 2 * n"}
    assert judged(sandbox, program, tests) == Verdict(1, 1)


def test_a_whole_program_that_hangs_is_ended_in_time(sandbox: Sandbox) -> None:
    tests = [{"input": str(n), "output": str(n)} for n in range(9)]
    bounds = Bounds(seconds=0.2)
    text = "```python\nwhile True: pass\n```"
    verdict = verdict_on(sandbox, text, tests, {}, bounds=bounds, whole=False)
    assert (verdict.passed, verdict.reason) == (0, "it met its limit: wall")


def test_a_program_that_does_not_end_well_printed_nothing(sandbox: Sandbox) -> None:
    tests = [{"input": "1", "output": "1"}, {"input": "2", "output": "2 "}]
    program = "n = input()\nprint(n, end='\\n\\n')\nraise SystemExit(n == '2')"
    assert judged(sandbox, program, tests) == Verdict(1, 2, "it ended with code 1")


def test_numbers_that_are_printed_may_be_off_by_the_tolerance(sandbox: Sandbox) -> None:
    tests = [{"input": "", "output": "x 0.333333", "tolerance": 1e-4}]
    assert judged(sandbox, "print('x', 1 / 3)", tests) == Verdict(1, 1)
    assert judged(sandbox, "print('x', 0.34)", tests) == Verdict(0, 1, "a wrong answer")


def test_the_reward_is_the_share_or_nothing(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewarded, "_sandbox", lambda: sandbox)
    half = "```python\ndef solve(n):\n    return 20 if n else 0\n```"
    completions = [f"```python\n{RIGHT}```", half, "I do not know.", "```python\nx = 1\n```"]
    columns = {"completions": completions, "tests": [CALLS] * 4}
    assert python(**columns) == [Scored(1.0), Scored(0.4), Scored(0.0), Scored(0.0)]
    assert python(**columns, all_or_nothing=True)[:2] == [Scored(1.0), Scored(0.0)]
    assert python(completions=["```python\nx\n```"], tests=[[]]) == [
        Unscorable("there are no tests")
    ]


def test_why_there_is_nothing_is_said(sandbox: Sandbox) -> None:
    assert judged(sandbox, "x = 1", CALLS).reason == "there is no solve"
    assert judged(sandbox, "x = (", CALLS).reason == "the program is no Python"
    assert judged(sandbox, "1 / 0", CALLS).reason == "it raised ZeroDivisionError"
    bounds = Bounds()
    none = verdict_on(sandbox, "I cannot.", CALLS, {}, bounds=bounds, whole=True)
    assert none.reason == "there is no program in the answer"


def test_a_reference_that_fails_says_nothing_of_the_answer(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewarded, "_sandbox", lambda: sandbox)
    tests = {**GENERATED, "reference": "def solve(numbers):\n    raise KeyError\n"}
    (said,) = python(completions=[f"```python\n{RIGHT}```"], tests=[tests])
    assert said == Unscorable("the reference: raised KeyError")
