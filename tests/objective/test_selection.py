"""Which groups and problems are kept."""

import pytest
import torch

from cohort.objective import selection
from tests.numbers import F64, I64


def test_a_group_has_signal_if_its_rewards_differ_by_more_than_rounding():
    rewards = F64([1.0, 1.0, 0.3, 0.1 + 0.2, 0.0, 1e-6, 5.0])
    found = selection.has_signal(rewards, I64([0, 0, 1, 1, 2, 2, 3]))
    assert found.tolist() == [False, False, False, False, True, True, False]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rounding_is_that_of_the_precision_at_hand(dtype):
    step = torch.finfo(dtype).eps
    rewards = torch.tensor([1.0, 1.0 + 2 * step, 1.0, 1.0 + 1e-5], dtype=dtype)
    found = selection.has_signal(rewards, I64([0, 0, 1, 1]))
    assert found.tolist() == [False, False, True, True]


def test_large_and_negative_rewards_have_the_same_rule():
    rewards = F64([-1e9, -1e9 + 1e-3, -1e9, -1e9 + 1e3])
    assert selection.has_signal(rewards, I64([0, 0, 1, 1])).tolist() == [False, False, True, True]


def test_a_group_is_learned_from_where_its_deviation_is_large_enough():
    rewards = F64([0.0, 0.099 * 2, 0.0, 0.101 * 2, 0.5, 0.5])
    group = I64([0, 0, 1, 1, 2, 2])
    found = selection.has_spread(rewards, group, least=0.1, correction=0)
    assert found.tolist() == [False, False, True, True, False, False]
    estimate = selection.has_spread(rewards, group, least=0.1, correction=1)
    assert estimate.tolist() == [True, True, True, True, False, False]
    assert not selection.has_spread(F64([0.3, 0.3]), I64([0, 0]), least=0.0, correction=0).any()


def test_a_mastered_problem_is_asked_no_more():
    found = selection.not_mastered(F64([0.0, 0.89, 0.9, 1.0]), mastered_at=0.9)
    assert found.tolist() == [True, True, False, False]


def test_what_fails_often_is_asked_often():
    assert selection.prioritized(F64([0.5, 0.0, 0.5, 1.0])).tolist() == [0.25, 0.5, 0.25, 0.0]


def test_when_all_is_solved_all_are_alike():
    assert selection.prioritized(F64([1.0, 1.0])).tolist() == [0.5, 0.5]
