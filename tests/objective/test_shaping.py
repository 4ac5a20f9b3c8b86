"""What length and language add, at the borders."""

import pytest
import torch

from cohort.objective import shaping
from tests.numbers import F64, I64


def test_the_overlong_penalty_grows_over_the_margin():
    found = shaping.soft_overlong(I64([1, 80, 85, 100, 101]), longest=100, margin=20)
    assert found.tolist() == [0.0, 0.0, -0.25, -1.0, -1.0]


def test_without_a_margin_the_penalty_is_a_step():
    found = shaping.soft_overlong(I64([99, 100, 101]), longest=100, margin=0)
    assert found.tolist() == [0.0, 0.0, -1.0]


def test_a_margin_beyond_the_budget_is_refused():
    with pytest.raises(AssertionError):
        shaping.soft_overlong(I64([1]), longest=10, margin=11)


def test_short_right_answers_gain_and_long_ones_lose():
    lengths, correct = I64([10, 30, 10, 30, 4, 4]), torch.tensor([1, 1, 0, 0, 1, 0]) > 0
    found = shaping.kimi_length(lengths, correct, I64([0, 0, 0, 0, 1, 1]))
    assert found.tolist() == [0.5, -0.5, 0.0, -0.5, 0.0, 0.0]


def test_the_language_reward_is_a_share_of_words():
    assert shaping.language_share(I64([45, 0, 0]), I64([50, 8, 0])).tolist() == [0.9, 0.0, 0.0]


def test_the_budget_may_be_passed_by_the_tolerance():
    found = shaping.over_budget(I64([105, 106, 11]), F64([100.0, 100.0, 10.0]), tolerance=1.05)
    assert found.tolist() == [0.0, -1.0, -1.0]
