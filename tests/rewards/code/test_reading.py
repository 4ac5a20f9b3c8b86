"""How tests are read from a column, and programs from a completion."""

from __future__ import annotations

import pytest

from cohort.rewards.code.cases import Call, Check, Expression, Spoken, Unreadable
from cohort.rewards.code.found import python_in, rust_in
from cohort.rewards.code.tests import read_tests
from cohort.rewards.code.wire import decode


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("```python\na\n```\nor\n```py\nb\n```\n", "b\n"),
        ("```Python3 title\na\n```", "a\n"),
        ("```python\na\n```\n```\n42\n```", "a\n"),
        ("```\na\n```\n```text\nb\n```", "a\n"),
        ("```python\ns = '''\n````\n'''\n```\n", "s = '''\n"),
        ("````python\ns = '''\n```\n'''\n````\n", "s = '''\n```\n'''\n"),
        ("<think>```python\na\n```</think>```python\nb\n```", "b\n"),
        ("def f():\n    return 1", "def f():\n    return 1"),
        ("The answer is 1", None),
        ("```python\ncut off", None),
        ("```rust\nfn\n```", None),
        ("<think>```python\na\n```", None),
        ("", None),
    ],
)
def test_the_program_is_the_last_block_of_its_language(text: str, program: str | None) -> None:
    assert python_in(text) == program


def test_a_rust_program_has_to_be_fenced() -> None:
    assert rust_in("```rust\nfn a() {}\n```") == "fn a() {}\n"
    assert rust_in("fn a() {}") is None


@pytest.mark.parametrize(
    ("source", "arguments", "expected", "truth"),
    [
        ("assert f(1, [2]) == {3}", [1, [2]], {3}, None),
        ("assert 4 == f()", [], 4, None),
        ("assert f(-1) is None, 'message'", [-1], None, None),
        ("assert f('a')", ["a"], None, True),
        ("assert not f(('a',))", [("a",)], None, False),
        ("assert sum(1, 2) == 3", [1, 2], 3, None),
    ],
)
def test_an_assert_with_literals_is_a_question(
    source: str, arguments: list[object], expected: object, truth: bool | None
) -> None:
    (case,) = read_tests(source).cases
    assert isinstance(case, Call)
    assert decode(case.arguments) == arguments
    assert case.expected.truth is truth
    assert truth is not None or decode(case.expected.node) == expected


def test_what_is_no_literal_is_made_by_the_candidate_or_checked_by_code() -> None:
    made, *checks = read_tests(
        ["assert f(list(range(9))) == 3", "assert abs(f(1) - 2) < 0.1", "assert f(1) == math.pi"]
    ).cases
    assert made.question == ["evaluate", "f(list(range(9)))"]
    assert isinstance(made, Expression)
    assert [check.stand_ins for check in checks] == [(("f", "f"),)] * 2
    assert checks[1].modules == ("math",)


def test_a_check_is_taken_apart_where_it_can_be() -> None:
    plain = "def check(candidate):\n    '''doc'''\n    assert True\n    assert candidate(1) == 2\n"
    (case,) = read_tests(plain, entry_point="f").cases
    assert case.question[:2] == ["call", "f"]
    (check,) = read_tests(plain + "    for n in ():\n        pass\n", entry_point="f").cases
    assert isinstance(check, Check)
    assert check.call == "check"


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (7, "tests are int"),
        ([], "no tests"),
        ("assert True", "no tests"),
        ("assert (", "no Python"),
        ([7], "test 0 is int"),
        ([{"args": [1], "expected": 1}], "entry_point"),
        ({"entry_point": "f", "tests": [{"args": [1]}]}, "no reference"),
        ({"entry_point": "f", "tests": [{"arg": [1], "expected": 1}]}, "no key 'arg'"),
        ({"tests": "assert f()", "time": 1}, "no key 'time'"),
        ({"tests": "assert f()", "extra": "9"}, "extra of the tests is str"),
        ([{"input": "1"}], "an output"),
        ([{"input": "1", "output": "1"}, "assert f()"], "one kind"),
        ("def check(candidate):\n    assert candidate()", "needs an entry_point"),
        ([{"args": [1], "expected": object}], "test 0"),
    ],
)
def test_tests_that_cannot_be_meant_are_refused(column: object, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        read_tests(column)


def test_inputs_and_outputs_are_a_program_s() -> None:
    assert read_tests([{"input": "1", "output": "2"}]).cases == (Spoken("1", "2"),)
