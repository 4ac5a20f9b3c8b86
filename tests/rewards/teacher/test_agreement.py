"""The verifiable regime: the table of rewards, the vote, and what there is no reward for."""

from __future__ import annotations

import pytest

from cohort.errors import RewardError
from cohort.rewards.outcome import Failed, Scored, Unscorable
from cohort.rewards.teacher.agreement import agrees, answer_classes, majority
from cohort.rewards.teacher.reference import Reference


def said(text: str, reference: str, equality: str = "mathematics") -> object:
    column = Reference(reference, equality).as_column()
    (outcome,) = agrees(completions=[text], reference=[column])
    return outcome


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        (r"so \boxed{\frac{1}{2}}", 1.0),
        (r"first \boxed{3}, then \boxed{\frac{1}{2}}", 1.0),
        (r"first \boxed{\frac{1}{2}}, then \boxed{3}", 0.0),
        (r"\boxed{\frac{1}{\frac{4}{2}}}", 1.0),
        ("<answer>0.5</answer>", 1.0),
        ("no answer at all", 0.0),
        ("", 0.0),
    ],
)
def test_an_answer_is_worth_1_where_it_is_the_references(text: str, worth: float) -> None:
    assert said(text, r"Therefore \boxed{\frac{1}{2}}") == Scored(worth)


def test_as_text_a_product_is_not_the_same_in_another_order() -> None:
    assert said("<answer>a5b7</answer>", "<answer>a7b5</answer>", "text") == Scored(0.0)
    assert said("<answer> a7b5 </answer>", "<answer>a7b5</answer>", "text") == Scored(1.0)


def test_a_reference_without_an_answer_gives_nobody_a_reward() -> None:
    assert isinstance(said("<answer>1</answer>", "they all differ"), Unscorable)


@pytest.mark.parametrize("why", [Unscorable("cut"), Failed("unreachable", "no service")])
def test_what_has_no_reference_has_no_reward_and_the_reason(why: Unscorable | Failed) -> None:
    column = Reference(missing=why).as_column()
    assert agrees(completions=["<answer>1</answer>"], reference=[column]) == [why]


def test_without_a_teacher_it_is_refused() -> None:
    with pytest.raises(RewardError, match="has no teacher"):
        agrees(completions=["1"])


def test_the_majority_is_of_equal_answers_and_the_first_of_equals() -> None:
    answers = ["<answer>7</answer>", "<answer>1/2</answer>", "none", "<answer>0.5</answer>"]
    assert answer_classes(answers, "mathematics") == [0, 1, None, 1]
    assert answer_classes(answers, "text") == [0, 1, None, 2]
    assert majority(answers, "mathematics") == 1
    assert majority(answers, "text") == 0
    assert majority(["none", ""], "text") is None
