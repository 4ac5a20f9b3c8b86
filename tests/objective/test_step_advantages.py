"""Advantages whose scale is the step's, against numbers."""

import math

import pytest
import torch

from cohort.objective import step_advantages
from tests.numbers import F64, I64

REWARDS = F64([1.0, 0.0, 5.0, 4.0, 2.0, 2.0])
GROUPS = I64([0, 0, 1, 1, 2, 2])


@pytest.mark.parametrize(("correction", "freedom"), [(0, 6), (1, 5)])
def test_lite_ppo_divides_by_the_deviation_of_all_raw_rewards(correction, freedom):
    found = step_advantages.lite_ppo(REWARDS, GROUPS, correction=correction, epsilon=0.5)
    mean = 14 / 6
    deviation = math.sqrt(sum((r - mean) ** 2 for r in REWARDS.tolist()) / freedom) + 0.5
    expected = [0.5 / deviation, -0.5 / deviation] * 2 + [0.0, 0.0]
    assert found.tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("count_flat", "correction", "freedom"),
    [(True, 0, 6), (True, 1, 5), (False, 0, 4), (False, 1, 3)],
)
def test_scalerl_divides_by_the_deviation_of_the_differences(count_flat, correction, freedom):
    found = step_advantages.scalerl(
        REWARDS, GROUPS, correction=correction, epsilon=0.5, count_flat=count_flat
    )
    deviation = math.sqrt(4 * 0.25 / freedom) + 0.5
    assert found.tolist() == pytest.approx([0.5 / deviation, -0.5 / deviation] * 2 + [0.0, 0.0])


def test_a_step_of_flat_groups_has_no_advantages_and_no_nan():
    flat = F64([1.0, 1.0, 0.0, 0.0])
    group = I64([0, 0, 1, 1])
    for count_flat in (True, False):
        found = step_advantages.scalerl(
            flat, group, correction=0, epsilon=0.0, count_flat=count_flat
        )
        assert found.tolist() == [0.0] * 4
    assert step_advantages.lite_ppo(flat, group, correction=0, epsilon=0.0).tolist() == [0.0] * 4


def test_reinforce_plus_plus_whitens_over_tokens_not_rollouts():
    lengths = I64([3, 1, 2, 2, 1, 1])
    found = step_advantages.reinforce_plus_plus_baseline(
        REWARDS, GROUPS, lengths=lengths, correction=1, epsilon=1e-8
    )
    tokens = F64([0.5, 0.5, 0.5, -0.5, 0.5, 0.5, -0.5, -0.5, 0.0, 0.0])
    scale = torch.sqrt(tokens.var() + 1e-8)
    expected = (F64([0.5, -0.5, 0.5, -0.5, 0.0, 0.0]) - tokens.mean()) / scale
    torch.testing.assert_close(found, expected)
    assert found[4] == found[5] != 0.0


def test_gdpo_hears_a_reward_in_a_group_where_another_says_nothing():
    rewards = torch.stack([F64([1.0, 1.0, 1.0, 0.0]), F64([1.0, 0.0, 0.0, 0.0])], dim=1)
    weights = F64([1.0, 2.0])
    found = step_advantages.gdpo(
        rewards, I64([0, 0, 1, 1]), weights=weights, correction=0, epsilon=0.0
    )
    together = F64([2.0, -2.0, 1.0, -1.0])
    torch.testing.assert_close(found, together / together.std(correction=0))


def test_bnpo_fits_its_beta_to_the_groups_rates():
    rates = F64([0.25, 0.5, 0.75])
    alpha, beta = step_advantages.beta_parameters(rates)
    common = 0.25 / 0.0625 - 1.0  # m (1 - m) / v - 1 with the sample variance 1/16
    assert alpha.item() == pytest.approx(1.0 + common * 0.5 / 3.0)
    assert beta.item() == pytest.approx(1.0 + common * 0.5 / 3.0)
    weight = step_advantages.bnpo_weight(rates, alpha, beta, largest=10.0)
    density = torch.distributions.Beta(alpha, beta).log_prob(rates).exp()
    torch.testing.assert_close(weight, 1.0 / density)


def test_bnpo_tells_its_two_parameters_apart():
    rates = F64([0.5, 0.75, 0.9])
    alpha, beta = step_advantages.beta_parameters(rates)
    assert alpha > beta > 1.0
    weight = step_advantages.bnpo_weight(rates, alpha, beta, largest=10.0)
    torch.testing.assert_close(
        weight, 1.0 / torch.distributions.Beta(alpha, beta).log_prob(rates).exp()
    )


def test_bnpo_holds_a_weight_at_its_largest_where_the_density_is_zero():
    weight = step_advantages.bnpo_weight(F64([0.0, 1.0]), F64([2.0])[0], F64([3.0])[0], largest=7.0)
    assert weight.tolist() == [7.0, 7.0]


@pytest.mark.parametrize("rates", [[0.5, 0.5], [1.0, 1.0, 1.0], [0.25]])
def test_rates_without_a_spread_rescale_nothing(rates):
    alpha, beta = step_advantages.beta_parameters(F64(rates))
    assert (alpha.item(), beta.item()) == (1.0, 1.0)
    weight = step_advantages.bnpo_weight(F64(rates), alpha, beta, largest=1e6)
    assert weight.tolist() == pytest.approx([1.0] * len(rates))


def test_the_spread_of_all_or_nothing_gives_the_flat_beta():
    alpha, beta = step_advantages.beta_parameters(F64([0.0, 1.0]))
    assert (alpha.item(), beta.item()) == (1.0, 1.0)
