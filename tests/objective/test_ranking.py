"""What a reward model is trained on, against sums written out: values and gradients."""

import itertools
import math

import pytest
import torch

from cohort.objective.ranking import (
    better_than,
    bradley_terry,
    cross_entropy,
    off_centre,
    once_a_group,
    plackett_luce,
)
from tests.numbers import F64, I64

VALUES = [0.3, -1.2, 0.7, 2.0, 0.1]
SCORES = [2.0, 1.0, 1.0, 0.5, 0.0]
GROUP = [0, 0, 0, 1, 1]


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


def test_an_answer_is_better_than_those_of_its_group_with_a_lower_score():
    found = better_than(F64(SCORES), I64(GROUP)).nonzero().tolist()
    assert found == [[0, 1], [0, 2], [3, 4]]


def test_scores_that_are_equal_up_to_rounding_are_not_compared():
    assert not better_than(F64([0.1 + 0.2, 0.3]), I64([0, 0])).any()
    assert not better_than(F64([0.0, 0.0]), I64([0, 0])).any()
    assert better_than(F64([0.3 + 1e-6, 0.3]), I64([0, 0])).any()


def test_the_loss_of_a_pair_is_minus_log_of_how_likely_the_better_one_wins():
    better, worse = F64([0.3, 2.0], grad=True), F64([-1.2, 2.5], grad=True)
    losses = bradley_terry(better, worse, margin=F64([0.0, 0.4]))
    gaps = [1.5, -0.5 - 0.4]
    torch.testing.assert_close(losses, F64([-log_sigmoid(gap) for gap in gaps]))
    losses.sum().backward()
    pull = F64([-1.0 / (1.0 + math.exp(gap)) for gap in gaps])
    torch.testing.assert_close(better.grad, pull)
    torch.testing.assert_close(worse.grad, -pull)


def test_a_hopeless_pair_has_a_finite_loss_and_gradient():
    better = F64([-1e4], grad=True)
    loss = bradley_terry(better, F64([1e4]), margin=F64([0.0]))
    loss.sum().backward()
    assert loss.item() == pytest.approx(2e4)
    assert better.grad.item() == pytest.approx(-1.0)


def test_centring_pulls_the_mean_of_a_pair_to_0_and_leaves_its_gap():
    better, worse = F64([1.0], grad=True), F64([0.5], grad=True)
    off_centre(better, worse).sum().backward()
    assert better.grad.item() == worse.grad.item() == pytest.approx(2 * 1.5)


def test_all_pairs_of_a_group_weigh_as_much_as_one_of_another():
    """InstructGPT's 1 / (K choose 2), for groups of 4 and of 2."""
    pairs = [
        (g, *pair) for g, k in ((0, 4), (1, 2)) for pair in itertools.combinations(range(k), 2)
    ]
    weights = once_a_group(I64([g for g, *_ in pairs]))
    torch.testing.assert_close(weights, torch.tensor([1 / 6] * 6 + [1.0]))


def test_a_ranking_is_as_likely_as_its_choices_one_after_another():
    values, scores = F64([0.3, -1.2, 0.7], grad=True), F64([1.0, 3.0, 2.0])
    losses, chosen = plackett_luce(values, better_than(scores, I64([0, 0, 0])))
    e = [math.exp(v) for v in values.tolist()]
    likely = e[1] / (e[0] + e[1] + e[2]) * (e[2] / (e[0] + e[2]))
    assert losses.sum().item() == pytest.approx(-math.log(likely))
    assert chosen.tolist() == [1, 2]
    losses.sum().backward()
    first, second = [x / sum(e) for x in e], [e[0] / (e[0] + e[2]), 0.0, e[2] / (e[0] + e[2])]
    expected = F64([a + b for a, b in zip(first, second, strict=True)]) - F64([0.0, 1.0, 1.0])
    torch.testing.assert_close(values.grad, expected)


def test_the_likelihoods_of_all_rankings_sum_to_1():
    values, total = F64([0.3, -1.2, 0.7, 0.2]), 0.0
    for order in itertools.permutations(range(4)):
        losses, _ = plackett_luce(values, better_than(F64(order), I64([0] * 4)))
        total += math.exp(-losses.sum().item())
    assert total == pytest.approx(1.0)


def test_a_ranking_of_two_is_a_pair_and_equal_answers_are_not_compared():
    values = F64([0.3, -1.2, 5.0], grad=True)
    losses, chosen = plackett_luce(values, better_than(F64([1.0, 0.0, 1.0]), I64([0, 0, 0])))
    pairs = bradley_terry(values[[0, 2]], values[[1, 1]], margin=F64([0.0, 0.0]))
    torch.testing.assert_close(losses, pairs)
    assert chosen.tolist() == [0, 2]
    alone, _ = plackett_luce(values, better_than(F64([1.0, 1.0, 1.0]), I64([0, 0, 0])))
    assert alone.shape == (0,)


def test_the_loss_of_a_label_is_its_cross_entropy_also_where_it_is_a_share():
    values, labels = F64(VALUES[:3], grad=True), F64([1.0, 0.0, 0.25])
    losses = cross_entropy(values, labels)
    p = torch.sigmoid(values.detach())
    torch.testing.assert_close(losses, -labels * p.log() - (1 - labels) * (1 - p).log())
    losses.sum().backward()
    torch.testing.assert_close(values.grad, p - labels)
