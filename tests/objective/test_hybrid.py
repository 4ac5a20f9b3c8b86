"""Hybrid credit at the corners where it is TD, GRPO or Monte Carlo."""

import pytest
import torch

from cohort.objective import hybrid
from cohort.objective.advantages import group_centred
from tests.numbers import F64, I64


@pytest.mark.parametrize("gamma", [1.0, 0.9])
@pytest.mark.parametrize("credit", ["shared", "per_sample"])
def test_one_sample_is_the_td_error(gamma, credit):
    targets = hybrid.bootstrapped(F64([2.0]).reshape(1, 1), F64([5.0]), gamma=gamma)
    if credit == "shared":
        found = hybrid.shared_credit(targets, F64([3.0]), I64([0]))
    else:
        found = hybrid.per_sample_credit(targets, F64([3.0]), I64([0]), centred=False)
    assert found.item() == pytest.approx(2.0 + gamma * 5.0 - 3.0)


def test_without_values_centred_samples_are_grpo():
    rewards, group = F64([1.0, 0.0, 4.0, 2.0]), I64([0, 0, 1, 1])
    targets = hybrid.bootstrapped(rewards[:, None], torch.zeros_like(rewards), gamma=0.9)
    found = hybrid.per_sample_credit(targets, torch.zeros_like(rewards), group, centred=True)
    assert torch.equal(found, group_centred(rewards, group))


def test_shared_credit_is_the_mean_of_the_samples_and_the_same_for_all():
    targets, values = F64([1.0, 3.0, 10.0]), F64([0.5, 0.5, 4.0])
    found = hybrid.shared_credit(targets, values, I64([0, 0, 1]))
    assert found.tolist() == [1.5, 1.5, 6.0]


def test_to_the_horizon_without_values_is_the_monte_carlo_return():
    rewards = F64([1.0, 2.0, 4.0, 0.0, 1.0, 0.0]).reshape(2, 3)
    found = hybrid.bootstrapped(rewards, F64([0.0, 0.0]), gamma=0.5)
    assert found.tolist() == [3.0, 0.5]
    with_value = hybrid.bootstrapped(rewards, F64([8.0, 16.0]), gamma=0.5)
    assert with_value.tolist() == [4.0, 2.5]


def test_squashing_keeps_order_and_sign():
    found = hybrid.squashed(F64([-50.0, 0.0, 0.5]), scale=2.0)
    assert found.tolist() == pytest.approx([-1.0, 0.0, 0.7615941559557649])


@pytest.mark.parametrize("cut", [0, 1, 3, 5])
def test_running_moments_do_not_depend_on_the_cut(cut):
    rewards = F64([1.0, 4.0, -2.0, 0.5, 3.0])
    moments = hybrid.Moments(*F64([0.0, 0.0, 0.0]))
    for part in (rewards[:cut], rewards[cut:]):
        moments = hybrid.with_rewards(moments, part)
    found = hybrid.adaptively_normalized(rewards, moments, epsilon=0.5)
    torch.testing.assert_close(
        found, (rewards - rewards.mean()) / (rewards.std(correction=0) + 0.5)
    )


def test_before_any_reward_nothing_is_moved():
    moments = hybrid.Moments(*F64([0.0, 0.0, 0.0]))
    assert hybrid.adaptively_normalized(F64([2.0]), moments, epsilon=1.0).tolist() == [2.0]
