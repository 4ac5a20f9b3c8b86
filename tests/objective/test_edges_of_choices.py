"""What the words of a recipe mean, and that nothing that is measured is trained."""

import torch

from cohort.objective.choices_of_credit import Scored
from cohort.objective.diagnostics import effective_share
from cohort.objective.grpo import GRPO
from tests.numbers import F64, I64


def by_step(count_flat):
    """Advantages over the deviation of the step, of a group that differs and a group that does not."""
    scored = Scored(
        rewards=F64([1.0, 0.0, 0.5, 0.5]),
        group=I64([0, 0, 1, 1]),
        lengths=I64([1, 1, 1, 1]),
        rollout=I64([0, 1, 2, 3]),
    )
    algorithm = GRPO.but(advantage="advantage-deviation", count_flat=count_flat, epsilon=0.0)
    return algorithm.advantages(scored)


def test_flat_groups_that_count_make_the_deviation_of_the_step_smaller():
    torch.testing.assert_close(by_step("no"), F64([1.0, -1.0, 0.0, 0.0]))
    torch.testing.assert_close(by_step("yes"), 2**0.5 * F64([1.0, -1.0, 0.0, 0.0]))


def test_a_share_of_weights_that_are_trained_is_not_trained():
    assert not effective_share(F64([1.0, 3.0], grad=True)).requires_grad
