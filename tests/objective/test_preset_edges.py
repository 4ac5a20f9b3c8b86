"""The edges, for every algorithm: finite in value and gradient, and zero where nothing was said."""

from dataclasses import replace

import pytest
import torch

from cohort.objective.presets import ALGORITHMS
from tests.objective.whole_steps import Answer, credit, share, weights, whole

every = pytest.mark.parametrize("name", ALGORITHMS)
ASK_CRITIC = {name for name, algorithm in ALGORITHMS.items() if algorithm.asks_critic}
SOME_WITHOUT_GROUP = {
    "reinforce",
    "topr",
    "online-rft",
    "remax",
    "reinforce++",
    "pkpo",
} | ASK_CRITIC
"""No baseline of the group: equal rewards are no reason for an advantage of 0."""


def answers(rewards, *, gap=0.3, lengths=(2, 1, 3, 2, 1)):
    """One group; the policy is `gap` nats above the old one, the sampler and the reference."""
    made = []
    for reward, length in zip(rewards, lengths, strict=False):
        now = torch.linspace(-0.5, -1.5, length, dtype=torch.float64) + min(0.0, gap)
        other = now - gap
        tokens = {"logprobs": now, "old": other, "sampler": other, "reference": other}
        tokens["chosen"] = torch.ones(length, dtype=torch.bool)
        tokens["values"] = torch.zeros(length, dtype=torch.float64)
        made.append(Answer(0, reward, 0.5, tokens))
    return made


def finite(found):
    loss, slopes = found
    return bool(torch.isfinite(loss)) and all(bool(torch.isfinite(s).all()) for s in slopes)


@every
@pytest.mark.parametrize("gap", [200.0, -200.0])
def test_log_ratios_of_200_are_finite(name, gap):
    assert finite(whole(ALGORITHMS[name], answers([1.0, 0.0, 0.3, 0.0, 0.0], gap=gap)))


@every
def test_one_answer_of_one_token_is_finite(name):
    assert finite(whole(ALGORITHMS[name], answers([1.0], lengths=(1,))))


@every
def test_rewards_equal_up_to_rounding_say_nothing(name):
    step = answers([0.3, 0.1 + 0.2, 0.3, 0.3, 0.3])
    algorithm = ALGORITHMS[name]
    assert finite(whole(algorithm, step))
    if name not in SOME_WITHOUT_GROUP | {"reinforce++-baseline"} and not algorithm.penalizes_reward:
        assert all(not own.any() for own in credit(algorithm, step))


def test_reinforce_plus_plus_baseline_gives_all_answers_of_a_flat_group_the_same():
    step = answers([0.3] * 5) + [replace(a, group=1) for a in answers([1.0, 0.0, 0.0])]
    found = torch.cat(credit(ALGORITHMS["reinforce++-baseline"], step)[:5])
    torch.testing.assert_close(found, found[0].expand_as(found))


@every
def test_a_step_of_equal_rewards_and_no_drift_has_only_the_terms_that_pull(name):
    algorithm = ALGORITHMS[name]
    step = answers([0.0, 0.0, 0.0, 0.0, 0.0], gap=0.0)
    still = [replace(answer, greedy=0.0) for answer in step]
    advantages, counts = credit(algorithm, still), weights(algorithm, still)
    loss, slopes = share(algorithm, still, advantages, counts)
    assert float(loss) == 0.0
    assert all(not slope.any() for slope in slopes)
