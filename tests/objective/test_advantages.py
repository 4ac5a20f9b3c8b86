"""Advantages against worked examples, and at their edges."""

import math

import pytest
import torch

from cohort.objective.advantages import deviation_of_groups, group_centred, group_normalized
from tests.numbers import F64, I64


def _normalized(rewards, group, correction=0, epsilon=0.0):
    return group_normalized(F64(rewards), I64(group), correction=correction, epsilon=epsilon)


def test_the_worked_example_in_both_conventions():
    rewards = [4.0, 2.5, 0.5, 0.1]
    population = _normalized(rewards, [0] * 4)
    sample = _normalized(rewards, [0] * 4, correction=1)
    assert population.tolist() == pytest.approx([1.4138, 0.4607, -0.8101, -1.0643], abs=1e-4)
    assert sample.tolist() == pytest.approx([1.2244, 0.3989, -0.7016, -0.9217], abs=1e-4)


def test_groups_are_told_apart_by_their_number_not_their_place():
    mixed = _normalized([1.0, 5.0, 0.0, 7.0], [3, 8, 3, 8])
    assert mixed.tolist() == pytest.approx([1.0, -1.0, -1.0, 1.0])


@pytest.mark.parametrize("rewards", [[0.1] * 8, [0.0] * 3, [1e9] * 5, [0.1 + 0.2, 0.3, 0.3]])
def test_equal_rewards_have_exactly_no_advantage(rewards):
    assert _normalized(rewards, [0] * len(rewards), epsilon=1e-4).tolist() == [0.0] * len(rewards)
    assert group_centred(F64(rewards), I64([0] * len(rewards))).tolist() == [0.0] * len(rewards)


def test_a_group_of_one_has_no_advantage_in_either_convention():
    assert _normalized([3.0], [0], correction=0).tolist() == [0.0]
    assert _normalized([3.0, 1.0, 2.0], [0, 1, 1], correction=1, epsilon=1e-4)[0] == 0.0


def test_epsilon_is_added_to_the_deviation():
    assert _normalized([1.0, 0.0], [0, 0], epsilon=0.5).tolist() == [0.5, -0.5]


def test_a_group_of_one_has_a_deviation_and_it_is_zero():
    found = deviation_of_groups(F64([0.0, 1.0, -1.0]), I64([7, 3, 3]), correction=1)
    assert found.tolist() == pytest.approx([0.0, math.sqrt(2.0), math.sqrt(2.0)])


def test_a_small_real_difference_is_not_taken_for_rounding():
    advantages = _normalized([1.0, 1.0 + 1e-6], [0, 0])
    assert advantages.tolist() == pytest.approx([-1.0, 1.0])


def test_a_constant_added_to_all_rewards_changes_nothing():
    rewards = [0.3, 0.9, 0.1, 0.3]
    shifted = [r + 17.0 for r in rewards]
    torch.testing.assert_close(_normalized(rewards, [0] * 4), _normalized(shifted, [0] * 4))


def test_centred_rewards_sum_to_zero_and_keep_their_scale():
    advantages = group_centred(F64([2.0, 0.0, 0.0, 0.0]), I64([0] * 4))
    assert advantages.tolist() == [1.5, -0.5, -0.5, -0.5]
    assert math.isclose(float(advantages.sum()), 0.0, abs_tol=1e-15)
