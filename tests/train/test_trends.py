"""Trends are said when they begin, and steady or noisy numbers are left in peace."""

import numpy as np
import pytest

from cohort.train.trends import FEWEST, IN_A_ROW, Trends


def _said(name, values, precision="float32"):
    trends = Trends(precision)
    return [(n, line) for n, value in enumerate(values) for line in trends.see({name: value})]


@pytest.mark.parametrize("name", ["kl", "entropy", "grad_norm", "completions/mean_length"])
def test_two_hundred_noisy_steps_say_nothing(name):
    generator = np.random.default_rng(0)
    assert _said(name, 1.0 + 0.2 * generator.standard_normal(200)) == []


@pytest.mark.parametrize(
    ("name", "level"), [("kl", 9.0), ("entropy", 0.01), ("completions/mean_length", 30.0)]
)
def test_a_jump_is_said_once_after_some_steps_in_a_row(name, level):
    generator = np.random.default_rng(1)
    values = [*(1.0 + 0.1 * generator.standard_normal(60)), *[level] * 20]
    ((step, line),) = _said(name, values)
    assert step == 60 + IN_A_ROW - 1
    assert f"is {level:g} where it had been about" in line


def test_directions_that_are_no_harm_are_not_said():
    assert _said("kl", [*[1.0, 1.1] * FEWEST, *[0.0] * 20]) == []
    assert _said("entropy", [*[1.0, 1.1] * FEWEST, *[9.0] * 20]) == []


def test_one_odd_step_is_not_said_and_does_not_move_the_past():
    assert _said("grad_norm", [*[1.0, 1.1] * FEWEST, 500.0, *[1.0, 1.1] * FEWEST]) == []


def test_a_sampler_with_other_weights_is_said_at_once():
    name = "sampling/sampling_logp_difference/mean"
    assert [n for n, _ in _said(name, [1e-6, 0.02, 0.02, 1e-6])] == [1]
    assert _said(name, [0.02] * 5, "bfloat16") == []
