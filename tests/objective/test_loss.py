"""The loss, its parts and their gradients, against literals worked by hand and each other."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cohort.errors import RecipeError
from cohort.objective import diagnostics
from cohort.objective.algorithms import GRPO, choose
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


def test_on_policy_the_loss_is_zero_and_its_gradient_is_not():
    logprobs = F64([-1.0, -2.0, -0.5, -0.1], grad=True)
    advantages, weights = F64([1.0, 1.0, -1.0, -1.0]), F64([0.25] * 4)
    algorithm = replace(GRPO, beta=0.0)
    loss = policy_loss(algorithm, logprobs, old=None, advantages=advantages, weights=weights)
    loss.backward()
    assert abs(loss.item()) < 1e-12
    assert logprobs.grad.tolist() == pytest.approx([-0.25, -0.25, 0.25, 0.25])


def test_grpo_of_the_paper_in_one_line_of_numbers():
    logprobs = F64([-1.0, -0.8], grad=True)
    loss = policy_loss(
        GRPO,
        logprobs,
        old=F64([-1.1, -0.8]),
        advantages=F64([1.0, -2.0]),
        weights=F64([0.5, 0.25]),
        reference=F64([-1.3, -0.8]),
    )
    rho, gap = 2.718281828**0.1, -0.3
    kl = 2.718281828**gap - gap - 1
    assert loss.item() == pytest.approx(0.5 * (-rho + 0.04 * kl) + 0.25 * 2.0, rel=1e-6)


@given(st.lists(st.tuples(*[st.floats(-3, 0)] * 3, st.floats(-2, 2)), min_size=2, max_size=30))
def test_any_cut_of_the_tokens_sums_to_the_same_loss_and_gradient(tokens):
    now, old, reference, advantages = (F64(column) for column in zip(*tokens, strict=True))
    weights = torch.linspace(0.1, 1.0, len(tokens), dtype=torch.float64)

    def total(parts):
        leaf = now.clone().requires_grad_()
        loss = sum(
            policy_loss(
                GRPO, leaf[p], old=old[p], advantages=advantages[p], weights=weights[p],
                reference=reference[p],
            )
            for p in parts
        )  # fmt: skip
        loss.backward()
        return loss.detach(), leaf.grad

    whole = total([slice(None)])
    for cut in range(1, len(tokens)):
        for ours, theirs in zip(total([slice(cut), slice(cut, None)]), whole, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-13)


def test_the_clip_shares_count_the_tokens_without_gradient():
    gaps, advantages = F64([0.5, 0.5, -0.5, -0.5]), F64([1.0, -1.0, 1.0, -1.0])
    low = diagnostics.clipped_low(gaps, F64([0.0] * 4), advantages, clip_low=0.2)
    high = diagnostics.clipped_high(gaps, F64([0.0] * 4), advantages, clip_high=0.2)
    assert low.tolist() == [False, False, False, True]
    assert high.tolist() == [True, False, False, False]


def test_the_ratio_is_that_of_the_probabilities():
    assert ratio(F64([-1.0]), F64([-3.0])).item() == pytest.approx(7.389056)


def test_a_choice_that_does_not_exist_names_the_nearest():
    with pytest.raises(RecipeError, match="grpoo") as refusal:
        choose("grpoo", {})
    assert "'grpo'" in refusal.value.hint
    with pytest.raises(RecipeError) as refusal:
        choose("grpo", {"cliphigh": 0.3})
    assert "'clip_high'" in refusal.value.hint
    for key, value in (("beta", "x"), ("beta", -1.0), ("weight", "sequence"), ("clip_low", True)):
        with pytest.raises(RecipeError, match=key):
            choose("grpo", {key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [("beta", 0.5), ("clip_low", 0.01), ("clip_high", 0.01), ("weight", "token"),
     ("deviation", "sample"), ("epsilon", 0.5), ("advantage", "group-mean")],
)  # fmt: skip
def test_every_choice_changes_the_loss(key, value):
    def loss(algorithm):
        group = torch.tensor([0, 0, 0])
        lengths = torch.tensor([1, 2, 1])
        advantages = algorithm.advantages(F64([1.0, 0.0, 0.3]), group).repeat_interleave(lengths)
        weights = algorithm.weights(lengths, group).repeat_interleave(lengths)
        return policy_loss(
            algorithm,
            F64([-1.0, -0.5, -0.2, -2.0]),
            old=F64([-1.5, -0.1, -0.2, -1.9]),
            advantages=advantages,
            weights=weights,
            reference=F64([-1.0, -0.9, -0.4, -1.0]),
        )

    assert abs(float(loss(choose("grpo", {key: value})) - loss(GRPO))) > 1e-4
