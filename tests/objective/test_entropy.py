"""Entropy and the choice of tokens, with ties and at the edges."""

import math

import pytest
import torch

from cohort.objective.entropy import (
    bonus,
    clip_cov,
    covariances,
    drift_penalty,
    entropy,
    kl_cov,
    most_uncertain,
    quantile,
)
from tests.numbers import F64


def test_the_entropy_and_its_gradient():
    pi = F64([0.5, 0.25, 0.25])
    logits = (pi.log() + 3.0).requires_grad_()
    value = entropy(logits[None])
    value.sum().backward()
    assert value.tolist() == pytest.approx([1.5 * math.log(2)])
    torch.testing.assert_close(logits.grad, -pi * (pi.log() + value.detach()))
    assert bonus(value.detach(), coefficient=0.1).tolist() == pytest.approx([-0.15 * math.log(2)])


def test_a_token_that_the_sampling_mask_forbids_has_no_entropy_and_no_gradient():
    logits = F64([0.0, 0.0, -math.inf], grad=True)
    value = entropy(logits[None])
    value.sum().backward()
    assert value.tolist() == pytest.approx([math.log(2)])
    assert logits.grad.tolist() == pytest.approx([0.0, 0.0, 0.0])


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.73, 1.0])
@pytest.mark.parametrize("count", [1, 2, 7, 30])
def test_the_quantile_is_the_usual_one(share, count):
    values = torch.rand(count, generator=torch.Generator().manual_seed(count), dtype=torch.float64)
    found = quantile(values.clone().requires_grad_(), share=share)
    torch.testing.assert_close(found, values.quantile(share))
    assert not found.requires_grad


def test_the_most_uncertain_tokens_are_those_at_the_threshold_or_above():
    entropies = F64([0.1, 2.0, 0.3, 2.0, 0.5])
    assert most_uncertain(entropies, share=0.25).tolist() == [False, True, False, True, False]
    assert most_uncertain(entropies, share=1.0).all()
    assert most_uncertain(F64([0.7] * 3), share=0.2).all()


def test_covariances_are_products_of_centred_values():
    found = covariances(F64([-1.0, -2.0, -3.0], grad=True), F64([3.0, 0.0, 0.0]))
    assert found.tolist() == [2.0, 0.0, 1.0]
    assert not found.requires_grad


def test_clip_cov_takes_a_few_eligible_tokens_inside_the_bounds():
    covariance = F64([0.5, 1.5, 2.0, 3.0, 9.0, 4.0])
    eligible = torch.tensor([True, True, False, True, True, True])
    uniforms = F64([0.0, 0.9, 0.1, 0.5, 0.2, 0.3])

    def taken(share):
        found = clip_cov(covariance, eligible, uniforms, low=1.0, high=5.0, share=share)
        return found.nonzero()[:, 0].tolist()

    assert taken(1.0) == [1, 3, 5]
    assert taken(0.34) == [3, 5]
    assert taken(1e-4) == [5]
    none = torch.zeros(6, dtype=torch.bool)
    assert not clip_cov(covariance, none, uniforms, low=1.0, high=5.0, share=1.0).any()


def test_kl_cov_takes_the_highest_covariances_and_at_least_one():
    covariance = F64([0.5, -9.0, 2.0, 3.0])
    assert kl_cov(covariance, share=0.5).tolist() == [False, False, True, True]
    assert kl_cov(covariance, share=1e-4).tolist() == [False, False, False, True]
    assert kl_cov(covariance, share=1.0).all()


def test_the_drift_penalty_pulls_its_chosen_tokens_back_from_both_sides():
    now = F64([-1.0, -2.0, -3.0, -1.0], grad=True)
    chosen = torch.tensor([True, True, False, True])
    penalty = drift_penalty(now, F64([-1.5, -1.5, -1.0, -1.0]), chosen, coefficient=2.0)
    penalty.sum().backward()
    assert penalty.tolist() == [1.0, 1.0, 0.0, 0.0]
    assert now.grad.tolist() == [2.0, -2.0, 0.0, 0.0]
