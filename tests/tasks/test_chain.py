"""The chain task: honest demonstrations, right answers, and held-out sums that stay held out."""

from __future__ import annotations

import re

import pytest

from cohort.errors import DataError
from cohort.tasks.chain import Chain, correct, has_steps, right_steps, works_out

GOOD = "<think>2+3=5 5-1=4</think><answer>4</answer>"


def right(text: str, answer: str = "4", prompt: str = "2+3-1=") -> float:
    return correct(prompts=[prompt], completions=[text], answer=[answer])[0]


def test_a_step_is_a_function_of_seed_purpose_and_step_alone() -> None:
    first, again = Chain(), Chain()
    again.batch(seed=1, purpose="reinforce", step=7, count=3)
    wanted = first.batch(seed=1, purpose="reinforce", step=2, count=16)
    assert again.batch(seed=1, purpose="reinforce", step=2, count=16) == wanted
    assert first.batch(seed=2, purpose="reinforce", step=2, count=16) != wanted
    assert first.batch(seed=1, purpose="other", step=2, count=16) != wanted
    assert first.batch(seed=1, purpose="reinforce", step=3, count=16) != wanted


def test_the_first_problems_do_not_depend_on_how_many_follow() -> None:
    chain = Chain()
    long = chain.batch(seed=1, purpose="reinforce", step=1, count=32)
    assert chain.batch(seed=1, purpose="reinforce", step=1, count=8) == long[:8]


def test_sums_stay_within_the_vocabulary_and_their_answers_are_right() -> None:
    chain = Chain(largest=12)
    for problem in chain.batch(seed=3, purpose="reinforce", step=1, count=200):
        terms = [int(t) for t in re.findall(r"[+-]?\d+", str(problem.prompt))]
        sums = [sum(terms[: i + 1]) for i in range(6)]
        assert len(terms) == 6
        assert all(1 <= abs(term) <= 9 for term in terms)
        assert all(0 <= value <= 12 for value in sums)
        assert problem.columns == {"answer": str(sums[-1])}


def test_every_demonstration_is_right_and_the_asked_share_is_worked_out() -> None:
    shown = [
        demonstration
        for step in range(1, 26)
        for demonstration in Chain(worked_share=0.3).demonstrations(seed=1, step=step, count=64)
    ]
    texts = [d.completion for d in shown]
    answers = [d.problem.columns["answer"] for d in shown]
    assert set(correct(completions=texts, answer=answers)) == {1.0}
    worked = works_out(completions=texts)
    assert worked == [float(has_steps(text)) for text in texts]
    assert 0.26 < sum(worked) / len(worked) < 0.34


def test_no_held_out_problem_is_ever_trained_on() -> None:
    chain = Chain(numbers=3)
    held_out = {problem.id for problem in chain.held_out()}
    for step in range(1, 60):
        assert not held_out & {
            p.id for p in chain.batch(seed=step, purpose="r", step=step, count=64)
        }
        shown = chain.demonstrations(seed=step, step=step, count=64)
        assert not held_out & {d.problem.id for d in shown}
    assert len(held_out) == 200


def test_fewer_held_out_problems_are_the_first_of_more() -> None:
    few, many = Chain(held_out_problems=20).held_out(), Chain(held_out_problems=50).held_out()
    assert few == many[:20]


def test_a_batch_has_distinct_ids_even_where_the_task_is_too_small() -> None:
    ids = [p.id for p in Chain(numbers=2).batch(seed=1, purpose="r", step=1, count=200)]
    assert len(set(ids)) == 200
    assert 50 < len({name.partition("~")[0] for name in ids}) < 200


def test_the_vocabulary_spells_every_prompt_and_every_demonstration() -> None:
    chain = Chain()
    longest_first = sorted(chain.vocabulary(), key=len, reverse=True)
    pieces = re.compile("|".join(map(re.escape, longest_first)))
    for shown in chain.demonstrations(seed=1, step=1, count=64):
        text = f"{shown.problem.prompt}{shown.completion}"
        assert "".join(pieces.findall(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "<think></think><answer>4</answer>",
        GOOD,
        "<answer> 4 </answer>\n",
        "<think>5-9=2</think><answer>4</answer>",
    ],
)
def test_an_answer_at_the_end_is_right_however_it_was_found(text: str) -> None:
    assert right(text) == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "4",
        "<answer>5</answer>",
        "<answer>04</answer>",
        "<answer>4",
        "<answer>4</answer> so",
        "<answer>4</answer><answer>4</answer>",
        "</answer>4<answer>",
        "<think>2+3=5 <answer>4</answer>",
        "<think><answer>4</answer></think>",
        "<answer>4</answer><think></think>",
        "<think></think><think></think><answer>4</answer>",
    ],
)
def test_anything_else_is_not_right(text: str) -> None:
    assert right(text) == 0.0


def test_a_prompt_that_opened_the_thinking_counts_as_part_of_the_answer() -> None:
    assert right("2+3=5</think><answer>4</answer>", prompt="2+3-1=<think>") == 1.0
    assert right("2+3=5</think><answer>4</answer>", prompt="2+3-1=") == 0.0


@pytest.mark.parametrize(
    ("thought", "value"),
    [
        ("2+3=5 5-1=4", 1.0),
        ("2+3=5", 1.0),
        ("", 0.0),
        ("2+3=6 6-1=5", 0.0),
        ("2+3=5 6-1=5", 0.0),
        ("2+3=5 or so", 0.0),
        ("=", 0.0),
    ],
)
def test_only_a_right_chain_of_steps_works_out(thought: str, value: float) -> None:
    text = f"<think>{thought}</think><answer>4</answer>"
    assert works_out(completions=[text]) == [value]
    assert has_steps(text) == ("=" in thought)


@pytest.mark.parametrize(
    "options", [{"numbers": 1}, {"numbers": "5"}, {"largest": 8}, {"worked_share": 1.5}]
)
def test_options_out_of_bounds_are_refused_with_their_value(options: dict[str, object]) -> None:
    (name, value), *_ = options.items()
    with pytest.raises(DataError, match=rf"chain: {name} is {value!r}"):
        Chain(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "judged"),
    [
        (GOOD, [(12, 1.0), (18, 1.0)]),
        ("<think>2+3=6 6-1=5</think>", [(12, 0.0), (18, 1.0)]),
        ("<think>2+3=5 4-1=3</think>", [(12, 1.0), (18, 0.0)]),
        ("<think>well 5-1=4</think>", [(11, 0.0), (17, 0.0)]),
        ("<think></think><answer>4</answer>", []),
        ("2+3=5", []),
    ],
)
def test_every_step_is_judged_where_it_ends(text: str, judged: list[tuple[int, float]]) -> None:
    assert right_steps(completions=[text]) == [judged]
    assert all(text[:end].rstrip() == text[:end] for end, _ in judged)


def test_steps_end_at_the_same_place_where_the_prompt_opened_the_thought() -> None:
    whole, opened = "<think>2+3=5 5-1=4</think>", "2+3=5 5-1=4</think>"
    assert right_steps(completions=[whole], prompts=["2+3-1="]) == [[(12, 1.0), (18, 1.0)]]
    assert right_steps(completions=[opened], prompts=["2+3-1=<think>"]) == [[(5, 1.0), (11, 1.0)]]
