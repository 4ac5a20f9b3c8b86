"""Corrections against numbers worked by hand; they weigh gradients and have none."""

import inspect
import math

import pytest
import torch

from cohort.objective import corrections
from cohort.objective.corrections import (
    divergence_rejection,
    geometric_importance,
    importance,
    kept,
    masked,
    off_policy_sequence_mask,
    sequence_importance,
    truncated,
)
from tests.numbers import F64, I64

OLD = F64([1.0, 2.0, 0.25, 0.5]).log()
SAMPLER = F64([0.5, 0.5, 0.5, 0.5]).log()
ROLLOUT = I64([0, 0, 1, 1])


def test_importance_is_the_trainers_probability_over_the_samplers():
    assert importance(OLD, SAMPLER).tolist() == pytest.approx([2.0, 4.0, 0.5, 1.0])
    product = sequence_importance(OLD, SAMPLER, ROLLOUT)
    assert product.tolist() == pytest.approx([8.0, 8.0, 0.5, 0.5])
    mean = geometric_importance(OLD, SAMPLER, ROLLOUT)
    assert mean.tolist() == pytest.approx([8**0.5, 8**0.5, 0.5**0.5, 0.5**0.5])


def test_truncation_bounds_a_mask_drops_and_rejection_forgets_the_weight():
    weights = F64([2.0, 4.0, 0.5, 1.0])
    assert truncated(weights, cap=2.0).tolist() == [2.0, 2.0, 0.5, 1.0]
    assert masked(weights, high=2.0).tolist() == [2.0, 0.0, 0.5, 1.0]
    assert masked(weights, low=0.5, high=2.0).tolist() == [2.0, 0.0, 0.5, 1.0]
    assert masked(weights, low=0.6, high=2.0).tolist() == [2.0, 0.0, 0.0, 1.0]
    assert kept(weights, low=0.6, high=2.0).tolist() == [1.0, 0.0, 0.0, 1.0]


def test_a_rollout_is_rejected_by_its_mean_k3_so_drifts_of_both_signs_add_up():
    old, sampler = F64([-1.0, -1.0, -1.0]), F64([-1.5, -0.5, -1.0])
    rollout = I64([0, 0, 1])
    mean = (math.exp(0.5) - 1.5 + math.exp(-0.5) - 0.5) / 2
    found = divergence_rejection(old, sampler, rollout, most=mean + 1e-9)
    assert found.tolist() == [1.0, 1.0, 1.0]
    found = divergence_rejection(old, sampler, rollout, most=mean - 1e-9)
    assert found.tolist() == [0.0, 0.0, 1.0]
    up, one = math.exp(0.5) - 1.5, I64([0])
    assert divergence_rejection(old[:1], sampler[:1], one, most=up - 1e-9).tolist() == [0.0]
    assert divergence_rejection(sampler[:1], old[:1], one, most=up - 1e-9).tolist() == [1.0]


def test_bad_rollouts_that_were_left_behind_are_masked():
    now, old = F64([-2.0, -1.0, -2.0, -1.0]), F64([-1.0, -1.0, -1.0, -1.0])
    advantages = F64([-1.0, -1.0, 1.0, 1.0])
    found = off_policy_sequence_mask(now, old, advantages, ROLLOUT, delta=0.4)
    assert found.tolist() == [0.0, 0.0, 1.0, 1.0]
    assert off_policy_sequence_mask(now, old, advantages, ROLLOUT, delta=0.6).tolist() == [1.0] * 4
    assert off_policy_sequence_mask(old, now, advantages, ROLLOUT, delta=0.4).tolist() == [1.0] * 4


SETTINGS = {"cap": 2.0, "low": 0.5, "high": 2.0, "most": 1.0, "delta": 0.1}
FUNCTIONS = [
    function
    for _, function in inspect.getmembers(corrections, inspect.isfunction)
    if function.__module__ == corrections.__name__
]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_every_correction_is_detached_and_finite_at_any_mismatch(function, dtype):
    given = inspect.signature(function).parameters.values()
    values, settings = [], {}
    for place, parameter in enumerate(given):
        if parameter.kind is parameter.KEYWORD_ONLY:
            settings[parameter.name] = SETTINGS[parameter.name]
        elif parameter.name == "rollout":
            values.append(I64([0, 0, 1]))
        else:
            extreme = torch.tensor([-200.0, 0.0, -1.0 - place], dtype=dtype)
            values.append(extreme.roll(place).requires_grad_())
    found = function(*values, **settings)
    assert found.dtype == dtype
    assert not found.requires_grad
    assert torch.isfinite(found).all()
