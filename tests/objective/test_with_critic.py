"""Advantages and targets of a critic, on numbers that can be done by hand, and where methods meet."""

import pytest
import torch

from cohort.objective import returns, with_critic
from cohort.objective.choices_of_credit import Scored
from cohort.objective.grpo import GRPO
from tests.numbers import F64, I64
from tests.objective.steps import scored

REWARDS, ROLLOUT = F64([2.0, 1.0]), I64([0, 0, 0, 1, 1])
SAID = {
    "values": F64([0.5, 1.0, 1.5, 0.2, 0.4]),
    "bootstrap": F64([0.0, 3.0]),
    "penalty": None,
}


def test_gae_by_hand_with_an_answer_that_ended_and_one_that_was_cut():
    found = with_critic.gae(REWARDS, ROLLOUT, **SAID, gamma=0.5, lam=0.5)
    deltas = [0.5 * 1.0 - 0.5, 0.5 * 1.5 - 1.0, 2.0 - 1.5, 0.5 * 0.4 - 0.2, 1.0 + 0.5 * 3.0 - 0.4]
    last, cut = deltas[2], deltas[4]
    middle = deltas[1] + 0.25 * last
    expected = [deltas[0] + 0.25 * middle, middle, last, deltas[3] + 0.25 * cut, cut]
    torch.testing.assert_close(found.advantages, F64(expected))
    torch.testing.assert_close(found.targets, F64(expected) + SAID["values"])


def test_whitening_changes_advantages_and_leaves_the_targets():
    plain = with_critic.gae(REWARDS, ROLLOUT, **SAID, gamma=1.0, lam=0.9)
    white = with_critic.whitened_gae(REWARDS, ROLLOUT, **SAID, gamma=1.0, lam=0.9, epsilon=1e-8)
    torch.testing.assert_close(white.targets, plain.targets)
    assert float(white.advantages.mean()) == pytest.approx(0.0, abs=1e-12)
    assert float(white.advantages.var()) == pytest.approx(1.0, rel=1e-6)


def test_what_a_token_pays_is_in_every_return_before_it():
    penalty = F64([0.1, 0.2, 0.3, 0.4, 0.5])
    given = SAID | {"penalty": penalty}
    found = with_critic.gae(REWARDS, ROLLOUT, **given, gamma=1.0, lam=1.0)
    torch.testing.assert_close(found.targets, F64([1.4, 1.5, 1.7, 3.1, 3.5]))


@pytest.mark.parametrize(("n", "lam"), [(1, 0.0), (9, 1.0)])
def test_one_step_is_lambda_0_and_all_steps_are_lambda_1(n, lam):
    stepped = with_critic.n_step(REWARDS, ROLLOUT, **SAID, n=n, gamma=0.9)
    estimated = with_critic.gae(REWARDS, ROLLOUT, **SAID, gamma=0.9, lam=lam)
    torch.testing.assert_close(stepped.advantages, estimated.advantages)
    torch.testing.assert_close(stepped.targets, estimated.targets)


def test_vapo_looks_one_token_far_in_short_answers_and_its_critic_to_the_end():
    found = with_critic.length_adaptive_gae(REWARDS, ROLLOUT, **SAID, alpha=0.4, epsilon=0.0)
    lam = F64([1 - 1 / 1.2] * 3 + [0.0] * 2)
    each = F64([0.0, 0.0, 2.0, 0.0, 1.0])
    given = {"bootstrap": SAID["bootstrap"], "gamma": 1.0}
    plain = returns.gae(each, SAID["values"], ROLLOUT, lam=lam, **given)
    torch.testing.assert_close(found.advantages, (plain - plain.mean()) / plain.std())
    torch.testing.assert_close(found.targets, F64([2.0, 2.0, 2.0, 4.0, 4.0]))


@pytest.mark.parametrize("gamma", [1.0, 0.9])
@pytest.mark.parametrize("advantage", ["hybrid", "hybrid-shared"])
def test_hybrid_with_one_answer_of_one_token_that_was_cut_is_the_td_error(gamma, advantage):
    one = Scored(
        rewards=F64([2.0]),
        group=I64([0]),
        lengths=I64([1]),
        rollout=I64([0]),
        values=F64([3.0]),
        bootstrap=F64([5.0]),
    )
    algorithm = GRPO.but(advantage=advantage, gamma=gamma, squash=0.0, beta=0.0)
    assert algorithm.advantages(one).item() == pytest.approx(2.0 + gamma * 5.0 - 3.0)


def test_hybrid_without_values_and_less_the_groups_mean_is_grpo_without_its_deviation():
    whole = scored()
    nothing = {name: torch.zeros_like(getattr(whole, name)) for name in ("values", "bootstrap")}
    hybrid = GRPO.but(advantage="hybrid-centred", squash=0.0, beta=0.0)
    grpo = GRPO.but(advantage="group-mean", beta=0.0)
    found = hybrid.advantages(scored(**nothing))
    torch.testing.assert_close(found, grpo.advantages(whole), rtol=1e-12, atol=1e-15)


def test_a_squashed_reward_is_its_tanh_and_what_comes_after_a_cut_is_not():
    found = with_critic.hybrid_per_sample(REWARDS, ROLLOUT, **SAID, gamma=1.0, squash=2.0)
    expected = F64([4.0, 2.0]).tanh() + F64([0.0, 3.0])
    torch.testing.assert_close(found.targets[[0, 3]], expected)
    torch.testing.assert_close(found.advantages, (expected - F64([0.5, 0.2]))[ROLLOUT])


def test_nothing_that_a_critic_says_is_trained_through_the_advantages():
    given = SAID | {"values": SAID["values"].clone()}
    one = with_critic.gae(REWARDS, ROLLOUT, **given, gamma=1.0, lam=0.95)
    assert not one.advantages.requires_grad
    assert not one.targets.requires_grad
