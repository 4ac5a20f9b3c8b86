"""Baselines where a number says more than an invariance."""

import math

import pytest
import torch

from cohort.objective import baselines
from tests.numbers import F64, I64

GROUPS = I64([0, 0, 0, 1, 1, 1])


def test_leaving_one_out_is_the_mean_of_the_others():
    found = baselines.leave_one_out(F64([3.0, 0.0, 6.0, 1.0, 1.0, 4.0]), GROUPS)
    assert found.tolist() == pytest.approx([0.0, -4.5, 4.5, -1.5, -1.5, 3.0])


def test_a_single_other_rollout_has_no_deviation_to_divide_by():
    found = baselines.leave_one_out_normalized(F64([3.0, 1.0]), I64([0, 0]), epsilon=1e-6)
    assert found.tolist() == [2.0, -2.0]


def test_others_equal_up_to_rounding_do_not_blow_up_the_one():
    rewards = F64([1.0, 0.3, 0.1 + 0.2])
    found = baselines.leave_one_out_normalized(rewards, I64([0, 0, 0]), epsilon=1e-6)
    assert found[0].item() == pytest.approx(0.7)
    deviation = 0.7 / math.sqrt(2.0)
    assert found[1].item() == pytest.approx(-0.35 / (deviation + 1e-6))


def test_a_long_rollout_counts_more_in_the_baseline_by_length():
    found = baselines.opo(F64([1.0, 0.0]), I64([0, 0]), lengths=I64([3, 1]))
    assert found.tolist() == pytest.approx([0.25, -0.75])


def test_the_greedy_answer_is_a_baseline_for_one_rollout_too():
    assert baselines.remax(F64([1.0]), greedy=F64([0.25])).tolist() == [0.75]


def test_gpg_gives_the_live_groups_what_the_flat_ones_lack():
    rewards = F64([1.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    assert baselines.signal_scale(rewards, GROUPS).item() == 2.0
    found = baselines.gpg(rewards, GROUPS)
    assert found.tolist() == pytest.approx([4 / 3, -2 / 3, -2 / 3, 0.0, 0.0, 0.0])


def test_gpg_as_verl_has_it_counts_rewards_that_are_not_zero():
    found = baselines.gpg_of_nonzero(F64([1.0, 0.0, 0.0, 1.0, 1.0, 1.0]), GROUPS)
    assert found.tolist() == pytest.approx([1.0, -0.5, -0.5, 0.0, 0.0, 0.0])


@pytest.mark.parametrize("scale", [baselines.signal_scale, lambda r, g: baselines.nonzero_scale(r)])
def test_a_step_without_any_signal_is_not_scaled(scale):
    assert scale(F64([0.0] * 6), GROUPS).item() == 1.0


def test_maxrl_divides_by_the_groups_mean():
    found = baselines.maxrl(F64([1.0, 0.0, 0.0, 0.0]), I64([0] * 4), epsilon=0.0)
    assert found.tolist() == [3.0, -1.0, -1.0, -1.0]


def test_maxrl_of_a_group_whose_mean_is_zero_is_zero():
    found = baselines.maxrl(F64([1.0, -1.0, 0.0, 0.0]), I64([0, 0, 1, 1]), epsilon=1e-6)
    assert found.tolist() == [0.0] * 4


def test_the_groups_of_baselines_do_not_mix():
    rewards, group = F64([1.0, 5.0, 0.0, 7.0]), I64([3, 8, 3, 8])
    assert baselines.leave_one_out(rewards, group).tolist() == [1.0, -2.0, -1.0, 2.0]
    assert torch.equal(
        baselines.opo(rewards, group, lengths=I64([1] * 4)), F64([0.5, -1.0, -0.5, 1.0])
    )
