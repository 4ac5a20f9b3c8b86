"""Rewards for length: the papers' numbers at their corners, and what cannot move them."""

from __future__ import annotations

import pytest
import torch

from cohort.errors import RewardError
from cohort.objective.shaping import soft_overlong
from cohort.rewards.length_rules import cosine_length, overlong, repetition


def ids(*lengths: int) -> list[list[int]]:
    return [[7] * length for length in lengths]


def test_the_overlong_penalty_is_the_one_of_the_objective() -> None:
    lengths = [0, 1, 11, 12, 13, 15, 16, 17, 300]
    expected = soft_overlong(torch.tensor(lengths), longest=16, margin=4).tolist()
    assert overlong(completion_ids=ids(*lengths), longest=16, margin=4) == expected
    expected = soft_overlong(torch.tensor(lengths), longest=16, margin=0).tolist()
    assert overlong(completion_ids=ids(*lengths), longest=16, margin=0) == expected


def test_the_defaults_of_the_overlong_penalty_are_the_papers() -> None:
    assert overlong(completion_ids=ids(16384, 18432, 20480)) == [0.0, -0.5, -1.0]
    with pytest.raises(RewardError):
        overlong(completion_ids=ids(1), longest=3, margin=4)


def test_the_cosine_goes_from_one_value_to_the_other() -> None:
    said = cosine_length(
        completions=["1"] * 4, completion_ids=ids(0, 50, 99, 100), answer=["1"] * 4, longest=100
    )
    assert said[0] == 2.0
    assert said[1] == pytest.approx(1.5)
    assert said[2] == pytest.approx(1.0, abs=1e-3)
    assert said[3] == -10.0


def test_a_wrong_answer_loses_less_when_it_is_long_and_no_gold_says_nothing() -> None:
    said = cosine_length(
        completions=["2"] * 4,
        completion_ids=ids(0, 50, 99, 50),
        answer=["1", "1", "1", None],
        longest=100,
    )
    assert said[:2] == [-10.0, pytest.approx(-5.0)]
    assert -0.1 < said[2] < 0.0
    assert said[3] is None


def test_cosine_rewards_fall_for_right_and_rise_for_wrong_answers() -> None:
    lengths = list(range(100))
    for text, sign in (("1", -1.0), ("2", 1.0)):
        said = cosine_length(
            completions=[text] * 100, completion_ids=ids(*lengths), answer=["1"] * 100, longest=100
        )
        assert [sign * v for v in said] == sorted(sign * v for v in said)


@pytest.mark.parametrize(
    ("text", "words", "value"),
    [
        ("a b c d", 3, 0.0),
        ("a b a b a b", 2, -0.6),
        ("A b a B", 2, -1 / 3),
        ("a a a a", 1, -0.75),
        ("a b", 3, 0.0),
        ("", 3, 0.0),
    ],
)
def test_repetition_is_the_share_of_n_grams_seen_before(
    text: str, words: int, value: float
) -> None:
    assert repetition(completions=[text], words=words) == [pytest.approx(value)]


def test_repetition_does_not_see_white_space_or_case() -> None:
    spaced = repetition(completions=["a  b\nc a B\tc", "a b c a b c"])
    assert spaced[0] == spaced[1] == -0.25
    with pytest.raises(RewardError):
        repetition(completions=["a"], words=0)
