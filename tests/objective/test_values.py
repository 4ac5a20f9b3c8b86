"""The loss of a critic: values and gradients."""

import torch

from cohort.objective.values import clipped_squared_error, squared_error
from tests.numbers import F64

OLD = F64([0.5, 0.5, 0.5, 0.5])
RETURNS = F64([1.0, 0.0, 0.0, 0.6])


def gradient(losses, values):
    return torch.autograd.grad(losses.sum(), values)[0].tolist()


def test_the_squared_error_pulls_the_value_to_the_return():
    values = F64([0.9, 0.2, 0.5, 0.6], grad=True)
    losses = squared_error(values, RETURNS)
    torch.testing.assert_close(losses, 0.5 * (values - RETURNS) ** 2)
    assert gradient(losses, values) == (values - RETURNS).tolist()


def test_a_value_that_left_its_place_has_no_gradient_where_that_is_worse():
    values = F64([0.9, 0.2, 0.9, 0.55], grad=True)  # toward, toward, away from the return, inside
    losses = clipped_squared_error(values, OLD, RETURNS, clip=0.2)
    torch.testing.assert_close(losses, 0.5 * F64([0.09, 0.09, 0.81, 0.0025]))
    torch.testing.assert_close(F64(gradient(losses, values)), F64([0.0, 0.0, 0.9, -0.05]))


def test_only_the_value_is_trained():
    values, old, returns = (F64([0.1, 0.2, 0.3, 0.4], grad=True) for _ in range(3))
    losses = clipped_squared_error(values, old, returns + 1.0, clip=0.2)
    losses.sum().backward()
    assert old.grad is None
    assert returns.grad is None
