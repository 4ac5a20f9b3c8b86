"""Sums by rollout against loops, with numbers that are neither dense nor sorted."""

import torch

from cohort.objective.segments import lengths, maxima, means, suffix_sums, sums
from tests.numbers import F64, I64

ROLLOUT = I64([9, 9, 4, 9, 4, 0])
VALUES = [1.0, 2.0, 10.0, 4.0, 30.0, -5.0]


def test_each_token_has_the_sum_and_mean_of_its_rollout():
    assert sums(F64(VALUES), ROLLOUT).tolist() == [7.0, 7.0, 40.0, 7.0, 40.0, -5.0]
    assert means(F64(VALUES), ROLLOUT).tolist() == [7 / 3, 7 / 3, 20.0, 7 / 3, 20.0, -5.0]
    assert lengths(ROLLOUT).tolist() == [3, 3, 2, 3, 2, 1]


def test_a_maximum_is_of_the_segment_and_has_no_gradient():
    values = F64(VALUES, grad=True)
    found = maxima(values, ROLLOUT)
    assert found.tolist() == [4.0, 4.0, 30.0, 4.0, 30.0, -5.0]
    assert not found.requires_grad


def test_the_gradient_of_a_sum_reaches_every_token_of_the_rollout():
    values = F64(VALUES, grad=True)
    sums(values, ROLLOUT)[0].backward()
    assert values.grad.tolist() == [1.0, 1.0, 0.0, 1.0, 0.0, 0.0]
    values.grad = None
    means(values, ROLLOUT)[4].backward()
    assert values.grad.tolist() == [0.0, 0.0, 0.5, 0.0, 0.5, 0.0]


def test_suffix_sums_discount_by_the_distance_in_the_rollout():
    found = suffix_sums(F64(VALUES), ROLLOUT, discount=0.5)
    assert found.tolist() == [1 + 1 + 1, 2 + 2, 10 + 15, 4.0, 30.0, -5.0]


def test_suffix_sums_of_long_rollouts_equal_a_loop():
    generator = torch.Generator().manual_seed(3)
    values = torch.randn(67, generator=generator, dtype=torch.float64)
    rollout = torch.randint(0, 4, (67,), generator=generator)
    expected = torch.zeros_like(values)
    for number in range(4):
        later = 0.0
        for place in reversed((rollout == number).nonzero()[:, 0].tolist()):
            later = float(values[place]) + 0.9 * later
            expected[place] = later
    torch.testing.assert_close(suffix_sums(values, rollout, discount=0.9), expected)
    assert suffix_sums(F64([]), I64([])).shape == (0,)
