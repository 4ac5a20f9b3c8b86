"""Losses of pairs: their values, their least, and what label smoothing says about wrong labels."""

import math

import pytest
import torch

from cohort.objective.preferences import (
    PAIR_LOSSES,
    answer_logprobs,
    dpo_loss,
    hinge_loss,
    ipo_loss,
    robust_loss,
    smoothed_loss,
)
from tests.numbers import F64, I64

MARGINS = F64([-2.0, -0.3, 0.0, 0.7, 1.0, 3.0])


def _slope(loss, at):
    margin = F64([at], grad=True)
    loss(margin).sum().backward()
    return margin.grad.item()


def test_an_answers_logprob_is_the_sum_of_its_tokens_wherever_they_stand():
    values, owner = F64([-1.0, -2.0, -3.0, -4.0], grad=True), I64([1, 0, 1, 1])
    found = answer_logprobs(values, owner, answers=2)
    assert found.tolist() == [-2.0, -8.0]
    means = answer_logprobs(values, owner, answers=2, mean=True)
    assert means.tolist() == pytest.approx([-2.0, -8.0 / 3.0])
    (means * F64([5.0, 3.0])).sum().backward()
    assert values.grad.tolist() == pytest.approx([1.0, 5.0, 1.0, 1.0])


def test_without_smoothing_both_smoothed_losses_are_dpo():
    for loss in (smoothed_loss, robust_loss):
        torch.testing.assert_close(loss(MARGINS), dpo_loss(MARGINS))


def test_the_smoothed_loss_is_least_where_the_margin_says_how_sure_a_label_is():
    def loss(margin):
        return smoothed_loss(margin, label_smoothing=0.2)

    best = math.log(0.8 / 0.2)
    assert _slope(loss, best) == pytest.approx(0.0, abs=1e-12)
    assert _slope(loss, best - 0.1) < 0.0 < _slope(loss, best + 0.1)
    expected = 0.8 * math.log1p(math.exp(-0.7)) + 0.2 * math.log1p(math.exp(0.7))
    assert loss(F64([0.7])).item() == pytest.approx(expected)


def test_the_robust_loss_of_labels_that_are_sometimes_wrong_is_on_average_that_of_right_ones():
    wrong = 0.3
    right = robust_loss(MARGINS, label_smoothing=wrong)
    turned = robust_loss(-MARGINS, label_smoothing=wrong)
    torch.testing.assert_close((1 - wrong) * right + wrong * turned, dpo_loss(MARGINS))


def test_ipo_pulls_the_gain_to_a_fixed_distance():
    beta = 0.2
    assert ipo_loss(F64([0.5, 0.9]), beta=beta).tolist() == pytest.approx([0.0, 4.0])
    assert _slope(lambda m: ipo_loss(m, beta=beta), 0.4) == pytest.approx(-5.0)


def test_the_hinge_lets_go_of_a_margin_of_one():
    assert hinge_loss(F64([-0.5, 0.25, 1.5])).tolist() == [1.5, 0.75, 0.0]
    assert _slope(hinge_loss, 0.5) == -1.0
    assert _slope(hinge_loss, 1.5) == 0.0


def test_a_large_margin_gives_a_finite_loss_and_gradient():
    for loss in (dpo_loss, lambda m: robust_loss(m, label_smoothing=0.1), hinge_loss):
        assert math.isfinite(_slope(loss, -1e4))
        assert math.isfinite(_slope(loss, 1e4))


def test_the_options_name_the_table():
    from typing import get_args

    from cohort.config.preferences import Preference

    assert set(PAIR_LOSSES) == set(get_args(Preference.model_fields["loss"].annotation))
