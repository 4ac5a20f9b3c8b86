"""The task calculator: problems within bounds, demonstrations, and the desk that works things out."""

from __future__ import annotations

import re

import pytest

from cohort.data.records import Demonstration, Problem
from cohort.errors import DataError
from cohort.policy.new import new_tokenizer
from cohort.rollout.environments import Observed, Spoken
from cohort.tasks.calculator import Calculator, Desk, solved, worked

PROBLEM = Problem("p", "47*8-36=", {"numbers": [47, 8, 36], "signs": ["*", "-"], "answer": "340"})


def demonstrations(**options: float) -> list[Demonstration]:
    task = Calculator(**options)  # type: ignore[arg-type]
    return [
        one for step in range(1, 5) for one in task.demonstrations(seed=1, step=step, count=100)
    ]


def desk(problem: Problem = PROBLEM) -> Desk:
    made = Desk()
    assert made.reset(problem, 1) == problem.prompt
    return made


def said(text: str, number: int = 0) -> Observed:
    return desk().step(Spoken(text, number))


def replayed(one: Demonstration) -> Observed:
    """What the last turn of a demonstration comes to, each before it being shown what it says."""
    made = desk(one.problem)
    for number, (turn, shown) in enumerate(one.earlier):
        assert made.step(Spoken(turn, number)).seen == shown
    return made.step(Spoken(one.completion, len(one.earlier)))


def slowly(prompt: str) -> int:
    """From left to right, whatever binds more."""
    first, *rest = re.findall(r"[-+*]?[0-9]+", prompt)
    total = int(first)
    for sign, number in ((one[0], int(one[1:])) for one in rest):
        total = {"+": total + number, "-": total - number, "*": total * number}[sign]
    return total


def test_a_step_is_a_function_of_seed_purpose_and_step_alone() -> None:
    wanted = Calculator().batch(seed=1, purpose="reinforce", step=2, count=16)
    assert Calculator().batch(seed=1, purpose="reinforce", step=2, count=16) == wanted
    assert Calculator().batch(seed=2, purpose="reinforce", step=2, count=16) != wanted
    assert Calculator().batch(seed=1, purpose="demonstrations", step=2, count=16) != wanted


def test_no_held_out_problem_is_ever_trained_on() -> None:
    task = Calculator(numbers=2, held_out_problems=300)
    held_out = {problem.id for problem in task.held_out()}
    drawn = task.batch(seed=1, purpose="reinforce", step=1, count=2000)
    assert len(held_out) == 300
    assert not held_out & {problem.id for problem in drawn}


@pytest.mark.parametrize(("numbers", "largest"), [(2, 99), (4, 199), (8, 9999)])
def test_numbers_and_results_stay_within_bounds(numbers: int, largest: int) -> None:
    task = Calculator(numbers=numbers, largest=largest)
    problems = task.batch(seed=1, purpose="r", step=1, count=200)
    counts, signs, results = set(), set(), []
    for problem in problems:
        terms: list[int] = problem.columns["numbers"]  # type: ignore[assignment]
        own: list[str] = problem.columns["signs"]  # type: ignore[assignment]
        assert worked(terms, own)[0] == terms[0]
        results += [*terms, *worked(terms, own)]
        counts.add(len(terms))
        signs |= set(own)
        assert slowly(str(problem.prompt)) == int(str(problem.columns["answer"]))
    assert counts == set(range(2, numbers + 1))
    assert signs == set("+-*")
    assert 2 <= min(results) <= max(results) <= largest


def test_demonstrations_ask_for_everything_or_say_too_early_what_they_know() -> None:
    shown = demonstrations(guessed_share=0.75)
    for one in shown:
        end = replayed(one)
        known = worked(*(one.problem.columns[name] for name in ("numbers", "signs")))  # type: ignore[arg-type]
        assert one.completion == f"#{known[len(one.earlier)]}"
        assert end.over
        assert end.facts["turns"] == len(one.earlier) + 1
    right = sum(bool(replayed(one).facts["outcome"]) for one in shown)
    assert 0.2 < right / len(shown) < 0.32
    assert all(replayed(one).facts["outcome"] for one in demonstrations(guessed_share=0.0))


def test_every_number_is_one_token_and_everything_can_be_spelled() -> None:
    tokenizer = new_tokenizer(Calculator().vocabulary())
    assert len(tokenizer("47*8-36=")["input_ids"]) == 6
    for one in demonstrations():
        turns = "".join(part for turn in one.earlier for part in turn)
        text = f"{one.problem.prompt}{turns}{one.completion}>?;"
        tokens = tokenizer(text)["input_ids"]
        assert tokenizer.unk_token_id not in tokens
        assert tokenizer.decode(tokens) == text


@pytest.mark.parametrize(
    ("text", "seen"),
    [("47*8", ">376;"), ("376-36", ">340;"), ("2-9", ">-7;"), ("-7+2", ">-5;"), ("999*999", ">998001;")],
)  # fmt: skip
def test_the_desk_works_out_whatever_single_operation_it_is_asked_for(text: str, seen: str) -> None:
    assert said(text).seen == seen
    assert not said(text).over


@pytest.mark.parametrize(
    "text", ["", "47", "47*8-36", "47*", "4 7*8", "x", "9999999999999*2", ">376;"]
)
def test_the_desk_does_no_more_than_that(text: str) -> None:
    assert said(text).seen == ">?;"
    assert said(text).facts == {"outcome": False}


@pytest.mark.parametrize(
    ("text", "right"), [("#340", True), ("#34", False), ("#", False), ("#340#", False)]
)
def test_an_answer_ends_the_episode(text: str, right: bool) -> None:
    assert said(text, 2) == Observed(over=True, facts={"outcome": right, "turns": 3})


def test_solved_is_what_became_of_the_episode() -> None:
    episodes = [{"facts": {"outcome": True}}, {"facts": {"outcome": False}}, {"facts": {}}, None]
    assert solved(episodes=episodes) == [1.0, 0.0, 0.0, None]


@pytest.mark.parametrize(
    "options", [{"numbers": 1}, {"numbers": 9}, {"largest": 8}, {"guessed_share": 1.5}]
)
def test_options_out_of_bounds_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(DataError, match=f"calculator: {next(iter(options))} is"):
        Calculator(**options)  # type: ignore[arg-type]
