"""The loss, its parts and their gradients, against literals worked by hand and each other."""

import pytest
import torch

from cohort.objective import diagnostics
from cohort.objective.choices_of_loss import Tokens
from cohort.objective.grpo import GRPO
from cohort.objective.kl import k3
from cohort.objective.loss import policy_loss
from cohort.objective.surrogates import clipped, ratio
from tests.numbers import F64

BOUNDS = {"clip_low": 0.2, "clip_high": 0.28}


@pytest.mark.parametrize(
    ("gap", "advantage", "loss", "slope"),
    [
        (0.0, 2.0, -2.0, -2.0),
        (0.5, 2.0, -2.56, 0.0),  # rho 1.65 above 1.28, A > 0: clipped, no gradient
        (0.5, -2.0, 3.2974425, 3.2974425),  # the same with A < 0: not clipped
        (-0.5, -2.0, 1.6, 0.0),  # rho 0.61 below 0.8, A < 0: clipped
        (-0.5, 2.0, -1.2130613, -1.2130613),
    ],
)
def test_the_clipped_surrogate_in_every_quadrant(gap, advantage, loss, slope):
    logprobs = F64([-1.0 + gap], grad=True)
    got = clipped(logprobs, F64([-1.0]), F64([advantage]), **BOUNDS)
    got.sum().backward()
    assert got.item() == pytest.approx(loss)
    assert logprobs.grad.item() == pytest.approx(slope)


def test_no_gradient_reaches_the_old_or_the_reference_logprobs():
    now, old, reference = F64([-1.0], grad=True), F64([-1.1], grad=True), F64([-2.0], grad=True)
    loss = clipped(now, old, F64([1.0]), **BOUNDS) + k3(now, reference)
    loss.sum().backward()
    assert now.grad is not None
    assert old.grad is None
    assert reference.grad is None


def test_k3_has_deepseekmaths_value_and_gradient():
    logprobs = F64([-0.7, -0.7, -3.0], grad=True)
    reference = F64([-0.7, -1.2, -0.4])
    value = k3(logprobs, reference)
    value.sum().backward()
    gap = reference - logprobs.detach()
    torch.testing.assert_close(value.detach(), gap.exp() - gap - 1)
    torch.testing.assert_close(logprobs.grad, 1 - gap.exp())
    assert value[0] == 0.0


@pytest.mark.parametrize("gap", [200.0, -200.0, 1e4])
def test_extreme_log_ratios_stay_finite_in_value_and_gradient(gap):
    logprobs = F64([-1.0], grad=True)
    other = F64([-1.0 + gap])
    loss = clipped(logprobs, other, F64([-1.0]), **BOUNDS) + k3(logprobs, other)
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert torch.isfinite(logprobs.grad).all()


def tokens(now, *, old=None, advantages, weights=None, reference=None, rollout=None, **more):
    """Tokens of one rollout each unless `rollout` says otherwise."""
    old = now.detach() if old is None else old
    fields = {"old": old, "sampler": old, "then": old, "entropies": -now} | more
    return Tokens(
        logprobs=now,
        advantages=advantages,
        weights=torch.ones_like(advantages) if weights is None else weights,
        rollout=torch.arange(len(now)) if rollout is None else rollout,
        reference=reference,
        **fields,
    )


def test_on_policy_the_loss_is_zero_and_its_gradient_is_not():
    logprobs = F64([-1.0, -2.0, -0.5, -0.1], grad=True)
    advantages, weights = F64([1.0, 1.0, -1.0, -1.0]), F64([0.25] * 4)
    loss = policy_loss(GRPO.but(beta=0.0), tokens(logprobs, advantages=advantages, weights=weights))
    loss.backward()
    assert abs(loss.item()) < 1e-12
    assert logprobs.grad.tolist() == pytest.approx([-0.25, -0.25, 0.25, 0.25])


def test_grpo_of_the_paper_in_one_line_of_numbers():
    given = tokens(
        F64([-1.0, -0.8], grad=True),
        old=F64([-1.1, -0.8]),
        advantages=F64([1.0, -2.0]),
        weights=F64([0.5, 0.25]),
        reference=F64([-1.3, -0.8]),
    )
    rho, gap = 2.718281828**0.1, -0.3
    kl = 2.718281828**gap - gap - 1
    expected = 0.5 * (-rho + 0.04 * kl) + 0.25 * 2.0
    assert policy_loss(GRPO, given).item() == pytest.approx(expected, rel=1e-6)


def test_the_correction_multiplies_the_surrogate_and_leaves_the_kl_alone():
    def loss(correction):
        algorithm = GRPO.but(beta=0.5, correction=correction)
        given = tokens(
            F64([-1.0]),
            sampler=F64([-1.5]),
            advantages=F64([2.0]),
            reference=F64([-1.4]),
        )
        return policy_loss(algorithm, given).item()

    kl = 2.718281828**-0.4 + 0.4 - 1
    assert loss("none") == pytest.approx(-2.0 + 0.5 * kl)
    assert loss("importance") == pytest.approx(-2.0 * 2.718281828**0.5 + 0.5 * kl)


def test_tokens_without_gradient_are_the_clipped_ones():
    gaps, advantages = F64([0.5, 0.5, -0.5, -0.5], grad=True), F64([1.0, -1.0, 1.0, -1.0])
    losses = clipped(gaps, F64([0.0] * 4), advantages, **BOUNDS)
    dead = diagnostics.without_gradient(losses, gaps)
    assert dead.tolist() == [True, False, False, True]


def test_a_weight_above_the_bound_is_told():
    found = diagnostics.above(F64([0.0, 1.0]), F64([0.0, 0.0]), ratio_max=2.0)
    assert found.tolist() == [False, True]


@pytest.mark.parametrize(
    ("weights", "share"), [([1.0, 1.0, 1.0], 1.0), ([1.0, 0.0], 0.5), ([], 1.0)]
)
def test_the_effective_sample_is_smaller_when_weights_differ(weights, share):
    assert diagnostics.effective_share(F64(weights)).item() == pytest.approx(share)


def test_the_ratio_is_that_of_the_probabilities():
    assert ratio(F64([-1.0]), F64([-3.0])).item() == pytest.approx(7.389056)


def test_the_entropy_bonus_makes_uncertain_tokens_cheaper():
    def loss(**changes):
        given = tokens(
            F64([-1.0, -0.5]),
            advantages=F64([1.0, -1.0]),
            weights=F64([0.5, 0.25]),
            entropies=F64([2.0, 3.0]),
        )
        return policy_loss(GRPO.but(beta=0.0, **changes), given).item()

    bonus = {"entropy": "bonus", "entropy_coefficient": 0.1}
    assert loss(**bonus) == pytest.approx(loss() - 0.1 * (0.5 * 2.0 + 0.25 * 3.0))


def test_a_divergence_in_the_reward_is_not_in_the_loss():
    def loss(kl):
        given = tokens(F64([-1.0]), advantages=F64([0.0]), reference=F64([-2.0]))
        return policy_loss(GRPO.but(beta=0.5, kl=kl), given).item()

    assert loss("in-reward") == 0.0
    assert loss("k2") == pytest.approx(0.25)
