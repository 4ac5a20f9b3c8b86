"""Rules that pick an answer, on hand-made numbers on which each of them picks another."""

from __future__ import annotations

from cohort.rewards.teacher.agreement import majority
from cohort.rewards.teacher.selectors import chosen, least_perplexity

ANSWERS = [f"<answer>{n}</answer>" for n in (7, 7, 12, 30, 41)]
OWN = [[-1.0, -1.0], [-1.0, -2.0], [-0.1, -0.2], [-3.0], [-0.5, -0.5]]
GIVEN_OTHERS = [[-1.0, -1.0], [-1.0, -1.0], [-2.0, -2.0], [-0.1], None]


def test_each_rule_takes_another_answer() -> None:
    taken = {
        "majority": majority(ANSWERS, "mathematics"),
        "least perplexity": least_perplexity(OWN),
        "mutual predictability": least_perplexity(GIVEN_OTHERS),
        "self-chosen": chosen("Answer 5 is best", len(ANSWERS)),
    }
    assert taken == {
        "majority": 0, "least perplexity": 2, "mutual predictability": 3, "self-chosen": 4
    }  # fmt: skip


def test_perplexity_is_of_a_token_and_not_of_an_answer() -> None:
    assert least_perplexity([[-1.0], [-0.6, -0.6, -0.6]]) == 1
    assert least_perplexity([None, []]) is None
    assert least_perplexity([[-1.0], [-1.0]]) == 0


def test_a_choice_that_names_no_answer_is_none() -> None:
    assert chosen("none of them", 3) is None
    assert chosen("4", 3) is None
    assert chosen("0", 3) is None
    assert chosen("**2**, since 1 is wrong", 3) == 1
