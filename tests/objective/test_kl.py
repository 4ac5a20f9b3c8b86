"""KL estimators: values, and expected gradients over all tokens of a small vocabulary."""

import math

import pytest
import torch

from cohort.objective.kl import k1, k2, k3, k3_straight_through, unbiased_k3
from cohort.objective.surrogates import policy_gradient
from tests.numbers import F64

PI, REFERENCE, SAMPLER = F64([0.5, 0.3, 0.2]), F64([0.2, 0.2, 0.6]), F64([0.3, 0.3, 0.4])


def expected_gradient(losses, weights=PI):
    """With respect to the logits, where every token is drawn with its probability."""
    logits = PI.log().requires_grad_()
    logprobs = torch.log_softmax(logits, dim=0)
    torch.dot(weights, losses(logprobs)).backward()
    return logits.grad


def true_gradient():
    logits = PI.log().requires_grad_()
    logprobs = torch.log_softmax(logits, dim=0)
    (logprobs.exp() * (logprobs - REFERENCE.log())).sum().backward()
    return logits.grad


def test_the_values_of_the_three_estimators():
    now, reference = F64([-1.0, -0.5]), F64([-1.3, -0.1])
    assert k1(now, reference).tolist() == pytest.approx([0.3, -0.4])
    assert k2(now, reference).tolist() == pytest.approx([0.045, 0.08])
    expected = [math.exp(-0.3) - 1 + 0.3, math.exp(0.4) - 1 - 0.4]
    assert k3(now, reference).tolist() == pytest.approx(expected)
    assert k3_straight_through(now, reference).tolist() == pytest.approx(expected)


def test_as_a_loss_k1_pulls_nowhere_and_in_the_reward_it_pulls_right():
    reference = REFERENCE.log()
    nowhere = expected_gradient(lambda now: k1(now, reference))
    torch.testing.assert_close(nowhere, torch.zeros_like(nowhere))
    rewarded = expected_gradient(lambda now: policy_gradient(now, -k1(now.detach(), reference)))
    torch.testing.assert_close(rewarded, true_gradient())


@pytest.mark.parametrize("estimator", [k2, k3_straight_through])
def test_k2_and_the_straight_through_form_have_the_right_gradient(estimator):
    found = expected_gradient(lambda now: estimator(now, REFERENCE.log()))
    torch.testing.assert_close(found, true_gradient())


def test_the_gradient_of_k3_is_that_of_the_kl_the_other_way_round():
    found = expected_gradient(lambda now: k3(now, REFERENCE.log()))
    torch.testing.assert_close(found, PI - REFERENCE)


@pytest.mark.parametrize("drawn_from", [PI, SAMPLER])
def test_the_ratio_makes_k3_unbiased_in_value_and_gradient_on_and_off_policy(drawn_from):
    def losses(now):
        return unbiased_k3(now, drawn_from.log(), REFERENCE.log())

    value = torch.dot(drawn_from, losses(PI.log()))
    torch.testing.assert_close(value, (PI * (PI / REFERENCE).log()).sum())
    torch.testing.assert_close(expected_gradient(losses, drawn_from), true_gradient())


def test_the_bounds_of_k3_bound_its_value_and_its_gradient():
    now, reference = F64([-12.0, -30.0, -1.0], grad=True), F64([-2.0, -1.0, -1.1])
    bounded = k3(now, reference, value_max=10.0)
    bounded.sum().backward()
    assert bounded[:2].tolist() == [10.0, 10.0]
    assert now.grad[:2].tolist() == [0.0, 0.0]
    assert now.grad[2].item() == pytest.approx(1 - math.exp(-0.1))
    free = k3(now, reference, log_ratio_max=math.inf)
    assert free[1].item() == pytest.approx(math.exp(29) - 30)
    assert k3(now, reference)[1].item() == pytest.approx(math.exp(20) - 21)
    assert k3(now, reference, log_ratio_max=1.0)[0].item() == pytest.approx(math.e - 2)
