"""Returns, GAE and rewards with a KL in them, against sums written out."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.objective import returns
from tests.numbers import F64, I64

ROLLOUT = I64([0, 0, 0, 1, 2, 2])
REWARDS = F64([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
VALUES = F64([0.5, -1.0, 0.25, 3.0, 2.0, -2.0])
AFTER = F64([10.0, 20.0, 0.0])


def test_the_score_comes_at_the_last_token_and_the_kl_everywhere():
    logprobs, reference = F64([-1.0] * 6), F64([-2.0, -1.0, 0.0, -3.0, -1.0, -1.5])
    found = returns.kl_penalized(F64([10.0, 20.0, 30.0]), logprobs, reference, ROLLOUT, beta=0.5)
    assert found.tolist() == [-0.5, 0.0, 10.5, 19.0, 0.0, 29.75]
    whole = returns.kl_penalized_score(
        F64([10.0, 20.0, 30.0]), logprobs, reference, ROLLOUT, beta=0.5
    )
    assert whole.tolist() == [10.0, 19.0, 29.75]


def test_nothing_flows_back_through_a_reward():
    logprobs, reference = F64([-1.0] * 6, grad=True), F64([-2.0] * 6)
    for function in (returns.kl_penalized, returns.kl_penalized_score):
        assert not function(AFTER, logprobs, reference, ROLLOUT, beta=0.5).requires_grad


def written_out(rewards, values, after, gamma, lam):
    """GAE of one rollout as a sum of all temporal differences to come."""
    chain = [*values, after]
    delta = [rewards[t] + gamma * chain[t + 1] - chain[t] for t in range(len(rewards))]
    size = range(len(rewards))
    return [sum((gamma * lam) ** (k - t) * delta[k] for k in size if k >= t) for t in size]


@settings(deadline=None, max_examples=25)
@given(
    lengths=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    gamma=st.sampled_from([0.0, 0.9, 1.0]),
    lam=st.sampled_from([0.0, 0.95, 1.0]),
    seed=st.integers(0, 99),
)
def test_gae_is_the_discounted_sum_of_differences(lengths, gamma, lam, seed):
    generator = torch.Generator().manual_seed(seed)
    rollout = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    drawn = torch.randn(2, len(rollout), generator=generator, dtype=torch.float64)
    after = torch.randn(len(lengths), generator=generator, dtype=torch.float64)
    found = returns.gae(*drawn, rollout, gamma=gamma, lam=lam, bootstrap=after)
    for number in range(len(lengths)):
        own = rollout == number
        expected = written_out(drawn[0][own], drawn[1][own], after[number], gamma, lam)
        torch.testing.assert_close(found[own], torch.stack(expected))


def test_lambda_may_differ_by_rollout():
    lam = F64([0.0, 0.5, 1.0])
    found = returns.gae(REWARDS, VALUES, ROLLOUT, gamma=0.9, lam=lam[ROLLOUT], bootstrap=AFTER)
    for number in range(3):
        own = ROLLOUT.eq(number)
        alone = written_out(REWARDS[own], VALUES[own], AFTER[number], 0.9, lam[number])
        torch.testing.assert_close(found[own], torch.stack(alone))


@pytest.mark.parametrize("n", [1, 2, 3, 9])
def test_n_steps_end_in_the_value_n_tokens_later(n):
    found = returns.n_step(REWARDS, VALUES, ROLLOUT, n=n, gamma=0.5, bootstrap=AFTER)
    for number in range(3):
        own = ROLLOUT.eq(number)
        rewards, chain = REWARDS[own].tolist(), [*VALUES[own].tolist(), AFTER[number].item()]
        for t, value in enumerate(found[own].tolist()):
            end = min(t + n, len(rewards))
            expected = sum(0.5 ** (k - t) * rewards[k] for k in range(t, end))
            assert value == pytest.approx(expected + 0.5 ** (end - t) * chain[end])


def test_many_steps_and_lambda_one_are_the_same_advantage():
    found = returns.n_step(REWARDS, VALUES, ROLLOUT, n=6, gamma=0.9, bootstrap=AFTER) - VALUES
    lam = returns.gae(REWARDS, VALUES, ROLLOUT, gamma=0.9, lam=1.0, bootstrap=AFTER)
    torch.testing.assert_close(found, lam)


def test_after_the_last_token_comes_the_bootstrap():
    found = returns.values_after(VALUES, ROLLOUT, bootstrap=AFTER)
    assert found.tolist() == [-1.0, 0.25, 10.0, 20.0, -2.0, 0.0]


def test_interleaved_rollouts_have_the_same_estimates():
    order = I64([4, 0, 3, 1, 5, 2])
    straight = returns.gae(REWARDS, VALUES, ROLLOUT, gamma=0.9, lam=0.8, bootstrap=AFTER)
    mixed = returns.gae(
        REWARDS[order], VALUES[order], ROLLOUT[order], gamma=0.9, lam=0.8, bootstrap=AFTER
    )
    torch.testing.assert_close(mixed, straight[order])


def test_long_answers_look_further():
    lam = returns.length_adaptive_lambda(I64([1, 20, 40, 2000]), alpha=0.05)
    assert lam.tolist() == pytest.approx([0.0, 0.0, 0.5, 0.99])


@pytest.mark.parametrize("correction", [0, 1])
def test_whitened_values_have_no_mean_and_unit_variance(correction):
    found = returns.whitened(REWARDS, correction=correction, epsilon=0.0)
    assert found.mean().item() == pytest.approx(0.0, abs=1e-12)
    assert found.var(correction=correction).item() == pytest.approx(1.0)
    assert found[0] < found[5]


def test_epsilon_stands_under_the_root():
    found = returns.whitened(F64([1.0, -1.0]), correction=0, epsilon=3.0)
    assert found.tolist() == [0.5, -0.5]


def test_one_token_whitens_to_zero():
    assert returns.whitened(F64([7.0]), correction=1, epsilon=1e-8).tolist() == [0.0]


def test_no_token_has_no_return():
    none = torch.zeros(0, dtype=torch.int64)
    found = returns.gae(F64([]), F64([]), none, gamma=1.0, lam=0.9, bootstrap=F64([]))
    assert found.tolist() == []
