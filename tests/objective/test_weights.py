"""Weights against their formulas: they are of the whole step and sum to one."""

import pytest
import torch

from cohort.objective.weights import (
    constant_budget,
    per_prompt,
    per_rollout,
    per_rollout_sum,
    per_token,
)
from tests.numbers import I64


def test_per_rollout_is_the_mean_of_means():
    weights = per_rollout(I64([2, 4, 5]), I64([0, 0, 1]))
    assert weights.tolist() == pytest.approx([1 / (2 * 2 * 2), 1 / (2 * 2 * 4), 1 / (2 * 1 * 5)])


def test_per_token_is_the_same_for_every_token_of_the_step():
    assert per_token(I64([2, 4, 5]), I64([0, 0, 1])).tolist() == pytest.approx([1 / 11] * 3)


def test_summed_rollouts_count_by_their_length_and_a_budget_divides_them():
    weights = per_rollout_sum(I64([2, 4, 5]), I64([0, 0, 1]))
    assert weights.tolist() == [1 / 4, 1 / 4, 1 / 2]
    budgeted = constant_budget(I64([2, 4, 5]), I64([0, 0, 1]), budget_tokens=8)
    assert budgeted.tolist() == [1 / 32, 1 / 32, 1 / 16]


def test_per_prompt_is_the_token_mean_of_each_group():
    weights = per_prompt(I64([2, 4, 5]), I64([9, 9, 3]))
    assert weights.tolist() == [1 / 12, 1 / 12, 1 / 10]
    one_group = I64([1, 1, 1])
    assert torch.equal(per_prompt(I64([2, 4, 5]), one_group), per_token(I64([2, 4, 5]), one_group))


@pytest.mark.parametrize("weights", [per_rollout, per_token, per_prompt])
def test_the_weights_of_all_tokens_sum_to_one(weights):
    lengths, group = I64([1, 7, 3, 200]), I64([4, 4, 9, 9])
    assert float((weights(lengths, group) * lengths).sum()) == pytest.approx(1.0, abs=1e-12)


def test_the_group_numbers_need_not_be_dense():
    lengths = I64([3, 3, 8])
    assert torch.equal(per_rollout(lengths, I64([0, 0, 1])), per_rollout(lengths, I64([5, 5, 90])))
