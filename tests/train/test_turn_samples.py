"""One row per episode and one sample per turn: the same gradient, for the same episodes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cohort.config.environments import Environment
from cohort.data.records import Problem, Score
from cohort.objective.grpo import GRPO
from cohort.rollout.environments import Observed
from cohort.rollout.request import Sampling
from cohort.train.batch import Cutting, prepare
from cohort.train.credit import select, with_advantages
from cohort.train.talk import Talk, answered
from tests.tiny import gradients, tiny_policy


class Counting:
    """Shows two tokens after each of one to four turns, as what was said first decides."""

    quick = True

    def reset(self, problem, seed):
        return problem.prompt

    def step(self, spoken):
        if not spoken.number:
            self._turns = 1 + len(spoken.text) % 4
        return Observed("20 21", over=spoken.number + 1 >= self._turns)


def _groups():
    policy, _ = tiny_policy()
    problems = [Problem(str(n), prompt) for n, prompt in enumerate(("3 4 5 9", "7 8 6 6 2"))]
    sampling = Sampling(rollouts_per_prompt=5, max_new_tokens=60)
    groups = answered(policy, problems, sampling, key=(1,), talk=Talk(Counting, Environment()))
    draw = np.random.default_rng(3)
    rewards = [[Score(float(draw.random()), {}) for _ in group.rollouts] for group in groups]
    return [replace(group, scores=tuple(own)) for group, own in zip(groups, rewards, strict=True)]


def _by_turn(group):
    """The same episodes, each turn with everything before it as a context of its own."""
    made = []
    for rollout in group.rollouts:
        turns, begin = [], 0
        for turn in rollout.episode.turns:
            before = (*group.prompt_tokens.tolist(), *rollout.tokens[:begin].tolist())
            turns.append(replace(turn, observed=0, context=before if begin else None))
            begin += turn.sampled + turn.observed
        episode = replace(rollout.episode, turns=tuple(turns))
        made.append(replace(rollout, tokens=rollout.tokens[rollout.sampled], episode=episode))
    return replace(group, rollouts=tuple(made))


def _update(groups, algorithm):
    """A step's batch, and the policy's gradient of sum_t w_t A_t log pi_t."""
    policy, _ = tiny_policy()
    cutting = Cutting(tokens_per_microbatch=90, budget_tokens=60, device=torch.device("cpu"))
    credit = with_advantages(select(groups, algorithm), algorithm)
    (batch,) = prepare(credit, algorithm, cutting)
    for row in batch.rows:
        logprobs, _ = policy.logprobs(row)
        counts = batch.select(batch.weights * batch.advantages, row)
        (counts * logprobs).sum().backward()
    return batch, gradients(policy.model)


@pytest.mark.parametrize("weight", ["rollout-sum", "token", "rollout", "prompt"])
def test_one_row_per_episode_and_one_sample_per_turn_have_the_same_gradient(weight):
    groups = _groups()
    assert max(len(r.episode.turns) for group in groups for r in group.rollouts) > 2
    algorithm = GRPO.but(beta=0.0, weight=weight, advantage="group-mean")
    one, ours = _update(groups, algorithm)
    other, theirs = _update([_by_turn(group) for group in groups], algorithm)
    assert one.tokens == other.tokens
    assert sum(len(row.tokens) for row in other.rows) > sum(len(row.tokens) for row in one.rows)
    assert float((ours - theirs).norm() / ours.norm()) < 1e-5


def test_a_turn_without_its_context_has_another_gradient():
    groups = [_by_turn(group) for group in _groups()]
    algorithm = GRPO.but(beta=0.0, advantage="group-mean")
    _, ours = _update(groups, algorithm)
    _, theirs = _update([_forgetful(group) for group in groups], algorithm)
    assert float((ours - theirs).norm() / ours.norm()) > 0.1


def _forgetful(group):
    """The contexts cut to their last three tokens."""
    made = []
    for rollout in group.rollouts:
        turns = [replace(t, context=t.context and t.context[-3:]) for t in rollout.episode.turns]
        made.append(replace(rollout, episode=replace(rollout.episode, turns=tuple(turns))))
    return replace(group, rollouts=tuple(made))


def test_where_a_ratio_is_of_the_whole_sequence_it_is_of_a_turn():
    groups = _groups()
    algorithm = GRPO.but(beta=0.0, advantage="group-mean")
    one, _ = _update(groups, algorithm)
    other, _ = _update([_by_turn(group) for group in groups], algorithm)
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    assert len(one.rollout.unique()) == len(one.problems) == len(rollouts)
    turns = sum(len(rollout.episode.turns) for rollout in rollouts)
    assert len(other.rollout.unique()) == len(other.problems) == turns
