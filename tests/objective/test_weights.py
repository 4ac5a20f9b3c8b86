"""Weights against their formulas: they are of the whole step and sum to one."""

import pytest
import torch

from cohort.objective.weights import per_rollout, per_token
from tests.numbers import I64


def test_per_rollout_is_the_mean_of_means():
    weights = per_rollout(I64([2, 4, 5]), I64([0, 0, 1]))
    assert weights.tolist() == pytest.approx([1 / (2 * 2 * 2), 1 / (2 * 2 * 4), 1 / (2 * 1 * 5)])


def test_per_token_is_the_same_for_every_token_of_the_step():
    assert per_token(I64([2, 4, 5]), I64([0, 0, 1])).tolist() == pytest.approx([1 / 11] * 3)


@pytest.mark.parametrize("weights", [per_rollout, per_token])
def test_the_weights_of_all_tokens_sum_to_one(weights):
    lengths, group = I64([1, 7, 3, 200]), I64([4, 4, 9, 9])
    assert float((weights(lengths, group) * lengths).sum()) == pytest.approx(1.0, abs=1e-12)


def test_the_group_numbers_need_not_be_dense():
    lengths = I64([3, 3, 8])
    assert torch.equal(per_rollout(lengths, I64([0, 0, 1])), per_rollout(lengths, I64([5, 5, 90])))
