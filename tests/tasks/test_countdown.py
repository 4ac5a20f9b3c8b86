"""Countdown: every instance solvable, every solution accepted, everything else refused."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.data.records import Problem
from cohort.errors import DataError
from cohort.tasks.countdown import Countdown, correct
from cohort.tasks.countdown_answer import evaluate, reaches
from cohort.tasks.countdown_search import solve

PIECES = re.compile(r"\d+|</?\w+>|.")


def score(text: str) -> float:
    """Of the problem 4 7 2 : 10."""
    return correct(prompts=["4 7 2 : 10"], completions=[text], numbers=[[4, 7, 2]], target=[10])[0]


def instance(problem: Problem) -> tuple[list[int], int]:
    numbers, target = problem.columns["numbers"], problem.columns["target"]
    assert isinstance(numbers, list)
    assert isinstance(target, int)
    return numbers, target


def test_a_thousand_instances_are_solvable_and_the_checker_accepts_the_solver() -> None:
    problems = Countdown().batch(seed=1, purpose="r", step=1, count=1000)
    for problem in problems:
        numbers, target = instance(problem)
        found = solve(numbers, target)
        assert found is not None, problem
        assert reaches(found, numbers, target), (problem, found)
        assert reaches(str(problem.columns["solution"]), numbers, target)
    assert len({problem.id for problem in problems}) == 1000


@pytest.mark.parametrize("numbers", [4, 5, 6])
def test_larger_instances_carry_a_solution_that_proves_them(numbers: int) -> None:
    for problem in Countdown(numbers=numbers).batch(seed=2, purpose="r", step=1, count=50):
        given_numbers, target = instance(problem)
        assert len(given_numbers) == numbers
        assert reaches(str(problem.columns["solution"]), given_numbers, target)


def test_the_solver_says_none_only_where_nothing_reaches_the_target() -> None:
    assert solve([1, 1, 1], 4) is None
    assert solve([5, 5, 5], 2) is not None  # (5+5)/5
    assert solve([3, 3, 8, 8], 24) == "8/(3-(8/3))"  # only by fractions
    assert solve([7], 7) == "7"


@pytest.mark.parametrize(
    "answer",
    ["(7*2)-4", "7*2-4", " ( 7 * 2 )\n- 4 ", "2*7-4", "((7)*(2))-((4))", "7/(1/2)-4"],
)
def test_right_expressions_are_right(answer: str) -> None:
    fits = "1" not in answer
    assert score(f"<think>7*2=14</think><answer>{answer}</answer>") == float(fits)


@pytest.mark.parametrize(
    "answer",
    [
        "7+4-2",  # another value
        "7*2-4+4-4",  # reused
        "7+7-4",  # reused, one missing
        "4+4+2",  # the value without the 7
        "12-2",  # not given
        "7*2-4+2-2",  # extra numbers
        "7*2-4=10",
        "10=7*2-4",
        "10",
        "",
        "__import__('os').getpid()",
        "(7).real*2-4",
        "x",
        "7**2-4",
        "9**9**9",
        "7//2*4",
        "7/(4-2-2)",
        "-4+7*2",
        "+7*2-4",
        "7*2-04",
        "7*2-4.0",
        "7*2-4_0",
        "7 2*4",
        "7*2-4)",
        "7(2)-4",
        "7*2-4 # a remark",
        "7*2,4",
        "[7*2-4]",
        "\u0667*2-4",
        "<answer>7*2-4",
    ],
)
def test_wrong_and_foreign_expressions_are_worth_nothing(answer: str) -> None:
    assert score(f"<think></think><answer>{answer}</answer>") == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "7*2-4",
        "<answer>7*2-4</answer><answer>7*2-4</answer>",
        "<think>7*2=14 <answer>7*2-4</answer>",
        "<think></think><answer>7*2-4",
        "<think></think><answer>7*2-4</answer> done",
        "<think></think><answer></answer>",
    ],
)
def test_an_answer_in_the_wrong_form_is_worth_nothing(text: str) -> None:
    assert score(text) == 0.0
    assert score("<think></think><answer>7*2-4</answer>") == 1.0


def test_division_is_exact_where_floats_are_not() -> None:
    assert reaches("8/(3-8/3)", [8, 3, 8, 3], 24)
    assert not reaches("10000*10000/99999*3", [10000, 10000, 99999, 3], 3000)
    assert evaluate("1/3+1/3+1/3") == (1, [1, 3, 1, 3, 1, 3])


def test_division_by_zero_has_no_value() -> None:
    assert evaluate("7/(2-2)") is None
    assert evaluate("00/7") is None
    assert evaluate("0/7") == (0, [0, 7])


@pytest.mark.parametrize(
    "hostile",
    [
        "9**9**9",
        "9" * 150,
        "(" * 199,
        "(" * 99 + "1" + ")" * 99,
        "1+" * 99 + "1",
        "1*" * 5000 + "1",
    ],
)
def test_hostile_expressions_cost_next_to_nothing(hostile: str) -> None:
    evaluate("1+1")
    begun = time.process_time()
    assert evaluate(hostile) in (None, (1, [1]))
    assert time.process_time() - begun < 0.01


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="0123456789+-*/() =.\n", max_size=40))
def test_any_text_of_these_characters_has_a_value_or_none(text: str) -> None:
    read = evaluate(text)
    assert read is None or sorted(read[1]) == sorted(int(n) for n in re.findall(r"\d+", text))


def test_demonstrations_are_honest() -> None:
    shown = Countdown().demonstrations(seed=1, step=1, count=200)
    for one in shown:
        target = instance(one.problem)[1]
        thought = one.completion.partition("</think>")[0].removeprefix("<think>")
        tries = [t.partition(",")[0].partition("=") for t in thought.split()]
        for expression, _, result in tries:
            assert evaluate(expression) == (
                int(result),
                [int(n) for n in re.findall(r"\d+", expression)],
            )
        finals = [
            int(r) for (_, _, r), t in zip(tries, thought.split(), strict=True) if "," not in t
        ]
        assert finals.count(target) == (1 if finals else 0)
        assert finals[-1:] in ([], [target])
    assert 0.6 < sum("=" in one.completion for one in shown) / 200 < 0.8


def test_demonstrations_are_right_and_short() -> None:
    shown = Countdown().demonstrations(seed=5, step=3, count=300)
    columns = {name: [one.problem.columns[name] for one in shown] for name in ("numbers", "target")}
    assert set(correct(completions=[one.completion for one in shown], **columns)) == {1.0}  # type: ignore[arg-type]
    assert max(len(PIECES.findall(one.completion)) for one in shown) <= 110


def test_the_vocabulary_spells_every_prompt_and_demonstration() -> None:
    task = Countdown(numbers=[3, 4])
    known = set(task.vocabulary())
    for one in task.demonstrations(seed=1, step=1, count=100):
        assert set(PIECES.findall(f"{one.problem.prompt}{one.completion}")) <= known


def test_another_order_of_the_numbers_is_the_same_problem_and_never_leaks() -> None:
    task = Countdown(largest_number=9, largest=29)
    held_out = {problem.id for problem in task.held_out()}
    for step in range(1, 20):
        for problem in task.batch(seed=1, purpose="r", step=step, count=64):
            numbers, target = instance(problem)
            assert (
                problem.id.partition("~")[0]
                == f"countdown:{' '.join(map(str, sorted(numbers)))}={target}"
            )
            assert problem.id.partition("~")[0] not in held_out
    assert len(held_out) == 200


def test_options_change_what_is_drawn() -> None:
    counts = {
        len(instance(p)[0])
        for p in Countdown(numbers=[3, 5]).batch(seed=1, purpose="r", step=1, count=40)
    }
    small = Countdown(largest_number=6, largest=10).batch(seed=1, purpose="r", step=1, count=40)
    direct = Countdown(search_share=0.0).demonstrations(seed=1, step=1, count=20)
    lucky = Countdown(search_share=1.0, failed_attempts=0).demonstrations(seed=1, step=1, count=20)
    assert counts == {3, 5}
    assert max(np.max([*numbers, target]) for numbers, target in map(instance, small)) <= 10
    assert not any("=" in one.completion for one in direct)
    assert all(one.completion.count(",") == 1 for one in lucky)


@pytest.mark.parametrize("numbers", [2, 7, "3", [], [3, 9], True])
def test_counts_of_numbers_that_cannot_be_are_refused(numbers: object) -> None:
    with pytest.raises(DataError, match="countdown: numbers is"):
        Countdown(numbers=numbers)  # type: ignore[arg-type]
