"""The baseline by place: weighed by energy, within a group, among those that reach it."""

import math

import pytest

from cohort.objective.token_baseline import optimal_token_baseline, realized_energy
from tests.numbers import F64, I64

ROLLOUT = I64([0, 0, 1, 2, 2])
GROUP = I64([0, 0, 0, 1, 1])


def test_energy_adds_up_along_a_rollout():
    logprobs = F64([math.log(0.5), math.log(0.25), math.log(0.5), 0.0, 0.0])
    found = realized_energy(logprobs, F64([0.5, 0.3, 0.4, 1.0, 1.0]), ROLLOUT)
    assert found.tolist() == pytest.approx([0.5, 1.3, 0.4, 0.0, 0.0])


def test_the_baseline_is_weighed_by_energy():
    returns, energy = F64([1.0, 1.0, 0.0, 5.0, 5.0]), F64([3.0, 4.0, 1.0, 2.0, 2.0])
    advantages, baseline = optimal_token_baseline(returns, energy, rollout=ROLLOUT, group=GROUP)
    assert baseline.tolist() == [0.75, 1.0, 0.75, 5.0, 5.0]
    assert advantages.tolist() == [0.25, 0.0, -0.75, 0.0, 0.0]


def test_a_place_without_uncertainty_has_baseline_zero():
    advantages, baseline = optimal_token_baseline(
        F64([1.0] * 5), F64([0.0] * 5), rollout=ROLLOUT, group=GROUP
    )
    assert baseline.tolist() == [0.0] * 5
    assert advantages.tolist() == [1.0] * 5
