"""The natural step is as long as the trust region allows, and points up."""

import pytest
import torch

from cohort.objective.natural_gradient import natural_step
from tests.numbers import F64

FISHER = F64([2.0, 0.5, 0.5, 1.0]).reshape(2, 2)


@pytest.mark.parametrize("largest_kl", [0.01, 2.0])
def test_the_quadratic_kl_of_the_step_is_the_largest_allowed(largest_kl):
    gradient = F64([1.0, 3.0])
    direction, step = natural_step(gradient, FISHER, largest_kl=largest_kl)
    torch.testing.assert_close(FISHER @ direction, gradient)
    assert (0.5 * step @ FISHER @ step).item() == pytest.approx(largest_kl)
    assert (gradient @ step).item() > 0.0


def test_no_gradient_makes_no_step():
    direction, step = natural_step(F64([0.0, 0.0]), FISHER, largest_kl=0.01)
    assert direction.tolist() == step.tolist() == [0.0, 0.0]
