"""Token surrogates, value and gradient by quadrant, and the weights that are detached."""

import math

import pytest
import torch

from cohort.objective.detached_surrogates import (
    cispo,
    dppo,
    rollout_ratio,
    sao,
    sao_weight,
    topr,
    vespo,
    vespo_weight,
)
from cohort.objective.divergence_masks import binary_divergence, total_variation
from cohort.objective.quadratic_surrogates import dro, kimi_k1_5, kimi_k2_5, prime_rl
from cohort.objective.surrogates import (
    clipped,
    dual_clipped,
    negative_log_likelihood,
    policy_gradient,
    sapo,
    two_sided,
    unclipped,
)
from tests.numbers import F64, I64

CLIP = {"clip_low": 0.2, "clip_high": 0.28}


def at(surrogate, ratio, advantage, **settings):
    """Value and slope of a token whose ratio to its old policy is given."""
    now = F64([-1.0], grad=True)
    loss = surrogate(now, F64([-1.0 - math.log(ratio)]), F64([advantage]), **settings)
    loss.sum().backward()
    return pytest.approx((loss.item(), now.grad.item()))


def test_the_dual_clip_ends_the_loss_of_a_bad_token_that_became_likely():
    settings = {**CLIP, "cap": 3.0}
    assert at(dual_clipped, 2.5, -0.8, **settings) == (2.0, 2.0)
    assert at(dual_clipped, 4.0, -0.8, **settings) == (2.4, 0.0)
    assert at(dual_clipped, 4.0, 0.8, **settings) == (-1.024, 0.0)
    assert at(dual_clipped, 0.5, -0.8, **settings) == (0.64, 0.0)


@pytest.mark.parametrize("ratio", [0.1, 0.9, 1.1, 2.0, 3.9, 4.1, 50.0])
@pytest.mark.parametrize("advantage", [1.3, -0.7])
def test_two_sided_is_the_dual_clip_at_delta(ratio, advantage):
    sided = at(two_sided, ratio, advantage, **CLIP, delta=4.0)
    assert at(dual_clipped, ratio, advantage, **CLIP, cap=4.0) == sided.expected


def test_with_a_bound_of_ten_only_the_upper_one_acts():
    assert at(clipped, 0.01, -1.0, clip_low=10.0, clip_high=10.0) == (0.01, 0.01)
    assert at(clipped, 12.0, 1.0, clip_low=10.0, clip_high=10.0) == (-11.0, 0.0)


def test_the_unclipped_and_the_plain_policy_gradient():
    assert at(unclipped, 3.0, -2.0) == (6.0, 6.0)
    now = F64([-1.0, -2.0], grad=True)
    losses = policy_gradient(now, F64([3.0, -0.5]))
    losses.sum().backward()
    assert losses.tolist() == [3.0, -1.0]
    assert now.grad.tolist() == [-3.0, 0.5]
    assert negative_log_likelihood(F64([-1.0, -2.0])).tolist() == [1.0, 2.0]


def test_a_surrogate_that_weighs_log_pi_does_not_train_its_advantages():
    advantages = F64([3.0], grad=True)
    assert not policy_gradient(F64([-1.0]), advantages).requires_grad


@pytest.mark.parametrize(("advantage", "tau"), [(1.5, 1.0), (-0.6, 2.0), (0.0, 2.0)])
@pytest.mark.parametrize("ratio", [0.3, 1.0, 4.0])
def test_sapo_has_a_gate_for_each_sign(ratio, advantage, tau):
    gate = 1.0 / (1.0 + math.exp(-tau * (ratio - 1.0)))
    found = at(sapo, ratio, advantage, tau_positive=1.0, tau_negative=2.0)
    slope = 4.0 * gate * (1.0 - gate) * ratio
    assert found == (-4.0 / tau * gate * advantage, -slope * advantage)


def test_cispo_keeps_the_gradient_of_a_token_beyond_its_bound():
    assert at(cispo, 8.0, 2.0, ratio_max=5.0) == (10.0, -10.0)
    assert at(cispo, 0.5, 2.0, ratio_max=5.0) == (1.0, -1.0)
    assert at(cispo, 0.5, -2.0, ratio_max=1.2, ratio_min=0.8) == (-1.6, 1.6)


def test_sao_counts_nothing_outside_its_open_interval_whatever_the_sign():
    for advantage in (1.0, -1.0):
        for ratio in (0.6, 7.0):
            assert at(sao, ratio, advantage, low=0.7, high=6.0) == (0.0, 0.0)
        assert at(sao, 2.0, advantage, low=0.7, high=6.0) == (2.0 * advantage, -2.0 * advantage)
    now, then = F64([-1.0]), F64([-1.0])
    assert sao(now, then, F64([1.0]), low=1.0, high=2.0).tolist() == [0.0]
    assert sao(now, then, F64([1.0]), low=0.5, high=1.0).tolist() == [0.0]


def test_topr_pushes_away_from_bad_rollouts_by_their_ratio_alone():
    now = F64([-1.0, -1.0, -1.0, -1.0, -1.0, -1.0], grad=True)
    old = F64([-0.8, -0.7, -1.5, -1.6, -0.8, -0.7])
    advantages = F64([-2.0, -2.0, -2.0, -2.0, 2.0, 2.0])
    topr(now, old, advantages, I64([0, 0, 1, 1, 2, 2])).sum().backward()
    tapered = 2.0 * math.exp(-0.5)
    assert now.grad.tolist() == pytest.approx([tapered] * 2 + [2.0] * 2 + [-2.0] * 2)


def test_vespo_weighs_by_the_kernel_of_the_whole_ratio():
    one, two = torch.ones(3, dtype=torch.float64), F64([1.0, 0.5, 2.0])
    assert vespo_weight(two, one).tolist() == pytest.approx([1.0, 1.1204223, 0.1991483])
    assert vespo_weight(two, -one).tolist() == pytest.approx([1.0, 0.3397852, 1.0826823])
    assert vespo_weight(F64([0.0]), F64([1.0])).tolist() == [0.0]
    now = F64([-1.0, -1.0], grad=True)
    vespo(now, F64([-1.2, -0.9]), F64([1.0, 1.0]), I64([0, 0])).sum().backward()
    weight = float(vespo_weight(F64([math.exp(0.1)]), F64([1.0])))
    assert now.grad.tolist() == pytest.approx([-weight] * 2)


def test_the_weights_alone_are_detached_too():
    now, rollout = F64([-1.0], grad=True), I64([0])
    assert not sao_weight(now, F64([-1.0]), low=0.5, high=2.0).requires_grad
    assert not rollout_ratio(now, F64([-1.0]), rollout).requires_grad
    assert not vespo_weight(now.exp(), F64([1.0])).requires_grad


def test_dppo_truncates_its_weight_and_drops_what_is_masked():
    keep = torch.tensor([True, False])
    now = F64([-0.1, -0.1], grad=True)
    dppo(now, F64([-4.1, -4.1]), F64([-1.0, -1.0]), keep, cap=20.0).sum().backward()
    assert now.grad.tolist() == [20.0, 0.0]


P = [0.5, 0.5, 0.3, 0.3, 0.9]  # of the policy
Q = [0.3, 0.3, 0.5, 0.5, 0.8]  # of the sampler
SIGNS = [1.0, -1.0, 1.0, -1.0, 1.0]


def test_a_token_leaves_only_where_its_update_would_take_it_further_out():
    now, sampler = F64(P).log(), F64(Q).log()
    kept = total_variation(now, sampler, F64(SIGNS), delta=0.15)
    assert kept.tolist() == [False, True, True, False, True]
    kept = total_variation(now, sampler, F64(SIGNS), delta=0.25)
    assert kept.all()


def test_the_binary_divergence_is_from_the_sampler_to_the_policy():
    now, sampler, up = F64([0.5]).log(), F64([0.1]).log(), F64([1.0])
    distance = 0.1 * math.log(0.1 / 0.5) + 0.9 * math.log(0.9 / 0.5)
    backwards = 0.5 * math.log(0.5 / 0.1) + 0.5 * math.log(0.5 / 0.9)
    assert distance < backwards
    assert binary_divergence(now, sampler, up, delta=distance + 1e-6).tolist() == [True]
    assert binary_divergence(now, sampler, up, delta=distance - 1e-6).tolist() == [False]
    assert binary_divergence(now, sampler, -up, delta=0.0).tolist() == [True]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_probability_of_one_is_no_trouble_for_the_divergence(dtype):
    one, half = torch.zeros(1, dtype=dtype), torch.full((1,), -0.7, dtype=dtype)
    up = torch.ones(1, dtype=dtype)
    assert binary_divergence(one, one, up, delta=0.05).tolist() == [True]
    assert binary_divergence(one, half, up, delta=0.05).tolist() == [False]
    assert binary_divergence(half, one, -up, delta=0.05).tolist() == [False]


def test_dro_is_the_policy_gradient_with_a_pull_to_the_old_policy():
    assert at(dro, math.e, 2.0, beta=0.1) == (2.0 + 0.05, -2.0 + 0.1)


def test_kimi_k1_5_squares_the_ratio_of_the_whole_rollout():
    now = F64([-1.0, -2.0, -0.5], grad=True)
    losses = kimi_k1_5(now, F64([-1.5, -2.2, -0.4]), F64([1.0, 1.0, -2.0]), I64([0, 0, 1]), tau=0.2)
    by_rollout = losses.detach()[:2].sum(), losses.detach()[2]
    assert [float(x) for x in by_rollout] == pytest.approx([3.0 + 0.1 * 0.49, -1.0 + 0.1 * 0.01])
    losses.sum().backward()
    assert now.grad.tolist() == pytest.approx([-1 + 0.14, -1 + 0.14, 2 - 0.02])


def test_kimi_k2_5_lets_go_outside_whatever_the_sign():
    bounds = {"log_low": math.log(0.5), "log_high": math.log(2.0), "tau": 0.1}
    inside = math.log(1.5)
    pull = 0.1 * inside**2, 0.2 * inside
    assert at(kimi_k2_5, 1.5, -2.0, **bounds) == (3.0 + pull[0], 3.0 + pull[1])
    for ratio, bound in ((3.0, 2.0), (0.3, 0.5)):
        square = 0.1 * math.log(ratio) ** 2, 0.2 * math.log(ratio)
        for advantage in (1.0, -1.0):
            expected = -bound * advantage + square[0], square[1]
            assert at(kimi_k2_5, ratio, advantage, **bounds) == expected


def test_prime_rl_masks_the_policy_term_and_not_the_square():
    def losses(now, sampler, advantages, kept):
        return prime_rl(now, sampler, advantages, torch.tensor([kept]), tau=0.5)

    square = 0.5 * math.log(2.0) ** 2, math.log(2.0)
    assert at(losses, 2.0, 3.0, kept=False) == square
    assert at(losses, 2.0, 3.0, kept=True) == (square[0] - 6.0, square[1] - 6.0)
