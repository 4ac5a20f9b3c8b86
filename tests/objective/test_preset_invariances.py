"""What must not matter to any algorithm, in value and in gradient: cuts, order, ranks, dead tokens,
a constant in the rewards, the same groups twice."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.objective.presets import ALGORITHMS
from tests.objective.whole_steps import Answer, credit, in_parts, share, steps, weights, whole

every = pytest.mark.parametrize("name", ALGORITHMS)
some = settings(deadline=None, max_examples=12)
CLOSE = {"rtol": 1e-9, "atol": 1e-11}

MOVED_BY_A_CONSTANT = {"reinforce", "topr", "maxrl", "bnpo", "pkpo", "pass-at-k", "online-rft"} | {
    name for name, algorithm in ALGORITHMS.items() if algorithm.asks_critic
}
"""No baseline, a reward that has a meaning of its own (0 or 1), or a division by the mean; or a critic,
which has learned what the reward is."""
MOVED_BY_REPETITION = {"reinforce++", "reinforce++-baseline", "gdpo", "bnpo", "ppo"}
"""The sample's deviation over the step, which counts twice as many."""


def same(found, expected):
    torch.testing.assert_close(found[0], expected[0], **CLOSE)
    for ours, theirs in zip(found[1], expected[1], strict=True):
        torch.testing.assert_close(ours, theirs, **CLOSE)


@every
@some
@given(step=steps(), data=st.data())
def test_any_cut_into_microbatches(name, step, data):
    place = data.draw(st.lists(st.integers(0, 4), min_size=len(step), max_size=len(step)))
    same(in_parts(ALGORITHMS[name], step, place), whole(ALGORITHMS[name], step))


@every
@some
@given(step=steps(), ranks=st.integers(1, 4), data=st.data())
def test_any_split_of_the_groups_over_ranks(name, step, ranks, data):
    rank = {answer.group: data.draw(st.integers(0, ranks - 1)) for answer in step}
    place = [rank[answer.group] for answer in step]
    same(in_parts(ALGORITHMS[name], step, place), whole(ALGORITHMS[name], step))


@every
@some
@given(step=steps(), data=st.data())
def test_any_order_of_groups_and_of_answers_in_a_group(name, step, data):
    order = data.draw(st.permutations(range(len(step))))
    loss, slopes = whole(ALGORITHMS[name], step)
    mixed = whole(ALGORITHMS[name], [step[i] for i in order])
    same(mixed, (loss, [slopes[i] for i in order]))


@pytest.mark.parametrize("name", [n for n, a in ALGORITHMS.items() if a.drops_dead_tokens])
@some
@given(step=steps())
def test_answers_without_an_advantage_can_be_left_out(name, step):
    algorithm = ALGORITHMS[name]
    advantages, counts = credit(algorithm, step), weights(algorithm, step)
    live = [i for i, own in enumerate(advantages) if own.any()]
    loss, slopes = share(algorithm, step, advantages, counts)
    found = share(
        algorithm, [step[i] for i in live], [advantages[i] for i in live], [counts[i] for i in live]
    )
    same(found, (loss, [slopes[i] for i in live]))
    for i in set(range(len(step))) - set(live):
        assert not slopes[i].any()


@pytest.mark.parametrize("name", sorted(ALGORITHMS.keys() - MOVED_BY_A_CONSTANT))
@some
@given(step=steps(), constant=st.sampled_from([-2.0, 0.5, 100.0]))
def test_a_constant_added_to_all_rewards(name, step, constant):
    algorithm = ALGORITHMS[name]
    shifted = credit(algorithm, step, shift=constant)
    found = share(algorithm, step, shifted, weights(algorithm, step))
    loss, slopes = whole(algorithm, step)
    torch.testing.assert_close(found[0], loss, rtol=1e-6, atol=1e-8)
    for ours, theirs in zip(found[1], slopes, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", sorted(ALGORITHMS.keys() - MOVED_BY_REPETITION))
@some
@given(step=steps())
def test_the_same_groups_twice(name, step):
    loss, slopes = whole(ALGORITHMS[name], step)
    again = [replace(answer, group=answer.group + 10) for answer in step]
    twice, both = whole(ALGORITHMS[name], step + again)
    halves = [one + two for one, two in zip(both[: len(step)], both[len(step) :], strict=True)]
    same((twice, halves), (loss, slopes))


@pytest.mark.parametrize("name", sorted(MOVED_BY_A_CONSTANT))
def test_those_that_a_constant_moves_are_moved(name):
    step = _example()
    usual, shifted = (credit(ALGORITHMS[name], step, shift=shift) for shift in (0.0, 0.4))
    assert not torch.allclose(torch.cat(usual), torch.cat(shifted))


@pytest.mark.parametrize("name", sorted(MOVED_BY_REPETITION))
def test_those_that_repetition_moves_are_moved(name):
    step = _example()
    again = [replace(answer, group=answer.group + 10) for answer in step]
    usual = torch.cat(credit(ALGORITHMS[name], step))
    assert not torch.allclose(
        usual, torch.cat(credit(ALGORITHMS[name], step + again))[: len(usual)]
    )


def _example():
    tokens = {
        key: torch.tensor([-0.5, -1.0], dtype=torch.float64)
        for key in ("logprobs", "old", "sampler", "reference", "chosen", "values")
    }
    rewards = {0: [1.0, 0.0, 0.0, 0.3, 0.0], 1: [0.2, 0.9, 0.0, 0.0, 0.0]}
    return [Answer(g, reward, 0.5, tokens) for g, own in rewards.items() for reward in own]
