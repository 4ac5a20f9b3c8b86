"""Surrogates of whole rollouts against loops over rollouts, and at their edges."""

import math

import pytest
import torch

from cohort.objective.future_kl import fipo_weight, future_kl
from cohort.objective.sequence_surrogates import gmpo, gspo, gspo_token, real
from cohort.objective.surrogates import clipped
from cohort.objective.weights import per_prompt, per_rollout, per_rollout_sum
from tests.numbers import F64, I64

CLIP = {"clip_low": 0.2, "clip_high": 0.28}
LENGTHS = [1, 4, 3, 6, 2, 5]
ROLLOUT = I64([n for n, length in enumerate(LENGTHS) for _ in range(length)])
ADVANTAGE = F64([1.1, -0.7, 0.4, -1.5, 0.9, -0.2])
GROUP = I64([0, 0, 0, 1, 1, 1])


def draw(seed, spread=0.5):
    generator = torch.Generator().manual_seed(seed)
    count = len(ROLLOUT)
    old = -torch.rand(count, generator=generator, dtype=torch.float64) * 3 - 0.01
    drift = torch.randn(count, generator=generator, dtype=torch.float64) * spread
    return (old + drift).requires_grad_(), old


def agree(losses, weights, slow, now):
    """The weighted sum of token losses is the slow loss, and so is its gradient."""
    fast = torch.dot(weights[ROLLOUT], losses)
    expected = torch.autograd.grad(slow, now)[0]
    torch.testing.assert_close(fast, slow, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(torch.autograd.grad(fast, now)[0], expected)


def clip_of(score, advantage):
    return -min(score * advantage, score.clamp(0.8, 1.28) * advantage)


@pytest.mark.parametrize("seed", range(4))
def test_gspo_is_the_mean_over_rollouts_of_one_clip_each(seed):
    now, old = draw(seed)
    scores = [(now - old)[n == ROLLOUT].mean().exp() for n in range(6)]
    slow = sum(clip_of(s, a) for s, a in zip(scores, ADVANTAGE, strict=True)) / 6
    losses = gspo(now, old, ADVANTAGE[ROLLOUT], ROLLOUT, **CLIP)
    agree(losses, per_rollout(I64(LENGTHS), I64([0] * 6)), slow, now)


@pytest.mark.parametrize("seed", range(4))
def test_luspo_is_gspo_summed_over_tokens(seed):
    now, old = draw(seed)
    scores = [(now - old)[n == ROLLOUT].mean().exp() for n in range(6)]
    slow = sum(
        clip_of(s, a) * n for s, a, n in zip(scores, ADVANTAGE, LENGTHS, strict=True)
    ) / 6  # fmt: skip
    losses = gspo(now, old, ADVANTAGE[ROLLOUT], ROLLOUT, **CLIP)
    agree(losses, per_rollout_sum(I64(LENGTHS), I64([0] * 6)), slow, now)


@pytest.mark.parametrize("seed", range(4))
def test_gspo_token_is_gspo_where_a_rollout_has_one_advantage(seed):
    now, old = draw(seed)
    slow = torch.dot(
        per_rollout(I64(LENGTHS), GROUP)[ROLLOUT],
        gspo(now, old, ADVANTAGE[ROLLOUT], ROLLOUT, **CLIP),
    )
    losses = gspo_token(now, old, ADVANTAGE[ROLLOUT], ROLLOUT, **CLIP)
    agree(losses, per_rollout(I64(LENGTHS), GROUP), slow, now)


def test_gspo_token_gives_each_token_the_gradient_of_its_own_advantage():
    now, old = F64([-1.0, -2.0], grad=True), F64([-1.1, -1.95])
    gspo_token(now, old, F64([1.0, -3.0]), I64([0, 0]), **CLIP).sum().backward()
    score = math.exp(0.025)
    assert now.grad.tolist() == pytest.approx([-score, 3 * score])


@pytest.mark.parametrize("seed", range(4))
def test_gmpo_is_a_geometric_mean_of_ratios_clipped_by_the_sign(seed):
    now, old = draw(seed)
    slow = 0.0
    for n, advantage in enumerate(ADVANTAGE):
        product, bounds = 1.0, (math.exp(-0.3), math.exp(0.4))
        for ratio in (now - old)[n == ROLLOUT].exp():
            bounded = ratio.clamp(max=bounds[1]) if advantage > 0 else ratio.clamp(min=bounds[0])
            product = product * bounded
        slow = slow - advantage * product ** (1.0 / LENGTHS[n]) / 6
    losses = gmpo(
        now, old, ADVANTAGE[ROLLOUT], ROLLOUT, log_clip_low=0.3, log_clip_high=0.4
    )  # fmt: skip
    agree(losses, per_rollout(I64(LENGTHS), I64([0] * 6)), slow, now)


@pytest.mark.parametrize("seed", range(4))
def test_real_is_one_classification_loss_per_group(seed):
    now, old = draw(seed)
    scores = torch.stack([(now - old)[n == ROLLOUT].mean() / 0.5 for n in range(6)])
    slow = 0.0
    for g in (0, 1):
        good, bad = (g == GROUP) & (ADVANTAGE > 0), (g == GROUP) & (ADVANTAGE <= 0)
        slow = slow + (1 + (-scores[good]).exp().sum()).log() / 2
        slow = slow + (1 + scores[bad].exp().sum()).log() / 2
    losses = real(now, old, ADVANTAGE[ROLLOUT] > 0, ROLLOUT, group=GROUP[ROLLOUT], tau=0.5)
    agree(losses, per_prompt(I64(LENGTHS), GROUP), slow, now)


def test_real_learns_from_a_group_of_one_kind():
    now, one = F64([-1.0, -1.0], grad=True), I64([0, 0])
    label = torch.tensor([True, True])
    real(now, F64([-1.0, -1.0]), label, I64([0, 1]), group=one, tau=0.5)[0].backward()
    assert now.grad.tolist() == pytest.approx([-2 / 3, -2 / 3])


def test_with_one_token_each_gspo_is_the_token_clip():
    now, old, advantages = F64([-1.0, -0.2, -3.0]), F64([-1.6, -0.3, -2.0]), F64([1.0, -1.0, -2.0])
    whole = gspo(now, old, advantages, I64([5, 1, 3]), **CLIP)
    torch.testing.assert_close(whole, clipped(now, old, advantages, **CLIP))


GAPS = [0.1, 0.4, -0.2, 3.0, 1.5]


def test_the_future_of_a_token_is_discounted_and_leaves_outliers_out():
    now = F64(GAPS)
    found = future_kl(
        now, torch.zeros_like(now), I64([0] * 5), half_life_tokens=1.0, ratio_max=10.0
    )
    expected = [0.1 + 0.2 - 0.05 + 1.5 / 16, 0.4 - 0.1 + 1.5 / 8, -0.2 + 1.5 / 4, 0.75, 1.5]
    assert found.tolist() == pytest.approx(expected)


def test_an_outlier_of_negative_advantage_is_not_pushed_harder():
    gaps, zero = F64([1.5, 1.5, 0.5, -0.5]), F64([0.0] * 4)
    advantages, future = F64([-1.0, 1.0, -1.0, -1.0]), F64([0.1, 0.1, 0.1, -0.1])
    found = fipo_weight(gaps, zero, advantages, future, low=0.9)
    grown = math.exp(0.1)
    assert found.tolist() == pytest.approx([1.0, grown, grown, math.exp(-0.1)])
    assert fipo_weight(gaps, zero, advantages, 9 * future).tolist() == [1.0, 1.2, 1.2, 1.0]
    assert fipo_weight(gaps, zero, advantages, -9 * future, low=0.1)[0] == 0.8


def test_the_weight_of_the_future_has_no_gradient():
    now, old = F64([-1.0, -2.0], grad=True), F64([-1.1, -1.8])
    future = future_kl(now, old, I64([0, 0]), half_life_tokens=32.0, ratio_max=10.0)
    assert not future.requires_grad
    assert not fipo_weight(now, old, F64([1.0, 1.0]), future.requires_grad_()).requires_grad
