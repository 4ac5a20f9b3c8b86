"""What moves between steps: the reference, beta, the entropy's coefficient."""

import pytest
import torch

from cohort.objective.grpo import GRPO
from cohort.objective.presets import choose
from cohort.train.adapt import for_the_next, for_this_step
from cohort.train.reference import follow, frozen_copy
from tests.tiny import tiny_policy


def parameters(policy):
    return torch.cat([p.detach().flatten() for p in policy.model.parameters()])


@pytest.mark.parametrize(
    ("reference", "step", "share"),
    [
        ({"reference": "frozen"}, 4, 0.0),
        ({"reference": "reset", "reference_every": 4}, 3, 0.0),
        ({"reference": "reset", "reference_every": 4}, 4, 1.0),
        ({"reference": "moving-average", "reference_every": 2, "reference_rate": 0.25}, 4, 0.25),
        ({"reference": "moving-average", "reference_every": 2, "reference_rate": 0.25}, 5, 0.0),
    ],
)
def test_the_reference_follows_the_policy_as_asked(reference, step, share):
    policy, held = tiny_policy(seed=1)[0], frozen_copy(tiny_policy(seed=2)[0])
    before, theirs = parameters(held), parameters(policy)
    moved = follow(held, policy, choose("grpo", reference), step=step)
    assert moved is (share > 0.0)
    torch.testing.assert_close(parameters(held), before + share * (theirs - before))
    if share == 1.0:
        assert torch.equal(parameters(held), theirs)


@pytest.mark.parametrize(
    ("adaptive", "kl", "beta"),
    [
        ({"adaptive_beta": "fixed"}, 9.0, 0.04),
        ({"adaptive_beta": "doubling", "kl_target": 0.1}, 0.2, 0.08),
        ({"adaptive_beta": "doubling", "kl_target": 0.1}, 0.01, 0.02),
        ({"adaptive_beta": "proportional", "kl_target": 0.1, "kl_gain": 0.5}, 9.0, 0.044),
        ({"adaptive_beta": "horizon", "kl_target": 0.1, "kl_horizon": 32}, 9.0, 0.042),
        ({"adaptive_beta": "doubling", "kl_target": 0.1}, None, 0.04),
    ],
)
def test_beta_follows_the_measured_divergence(adaptive, kl, beta):
    found = for_the_next(choose("grpo", adaptive), kl=kl, entropy=1.0, rollouts=8)
    assert found.beta == pytest.approx(beta)


BONUS = GRPO.but(
    entropy="adaptive-bonus", entropy_coefficient=1e-3, entropy_target=0.5, entropy_change=2e-4
)


@pytest.mark.parametrize(("entropy", "coefficient"), [(0.4, 1.2e-3), (0.6, 8e-4)])
def test_the_entropy_bonus_grows_where_entropy_is_lacking(entropy, coefficient):
    found = for_the_next(BONUS, kl=None, entropy=entropy, rollouts=8)
    assert found.values["entropy_coefficient"] == pytest.approx(coefficient)
    largest = for_the_next(BONUS.but(entropy_largest=1e-3), kl=None, entropy=0.0, rollouts=8)
    assert largest.values["entropy_coefficient"] == pytest.approx(1e-3)


def test_above_its_target_the_bonus_is_not_applied_and_not_forgotten():
    assert for_this_step(BONUS, entropy=0.6).values["entropy_coefficient"] == 0.0
    assert for_this_step(BONUS, entropy=0.4) == BONUS
    assert BONUS.values["entropy_coefficient"] == 1e-3


def test_without_controllers_an_algorithm_stays_as_it_is():
    assert for_this_step(GRPO, entropy=0.1) is GRPO
    assert for_the_next(GRPO.but(beta=0.0), kl=None, entropy=0.1, rollouts=8).beta == 0.0
