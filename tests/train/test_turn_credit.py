"""What turns are worth, from the environment's rewards to the tokens that were sampled in them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cohort.config.critic import Critic as Options
from cohort.config.environments import Environment
from cohort.config.stages import Reward
from cohort.data.records import Problem
from cohort.objective.presets import ALGORITHMS, choose
from cohort.policy.valued import valued_from
from cohort.rewards.functions import load_rewards
from cohort.rewards.score import score_groups
from cohort.rollout.environments import Observed
from cohort.rollout.request import Sampling
from cohort.train.batch import Cutting, prepare
from cohort.train.credit import counted_places, select, with_advantages
from cohort.train.critic import OwnCritic
from cohort.train.critic_values import ask
from cohort.train.talk import Talk, answered
from tests.tiny import tiny_policy
from tests.train import runs
from tests.train.runs import REINFORCE

CPU = torch.device("cpu")


class Paying:
    """Pays for each of one to four turns by what was said in it, and for every third nothing at all."""

    quick = True

    def reset(self, problem, seed):
        return problem.prompt

    def step(self, spoken):
        if not spoken.number:
            self._turns = 1 + len(spoken.text) % 4
        paid = None if spoken.number == 2 else len(spoken.text) / 10
        return Observed("20 21", reward=paid, over=spoken.number + 1 >= self._turns)


def _groups(**rewards):
    """Groups of episodes with scores; `turns` alone where no reward is named."""
    policy, _ = tiny_policy()
    problems = [Problem(str(n), prompt) for n, prompt in enumerate(("3 4 5 9", "7 8 6 6 2"))]
    sampling = Sampling(rollouts_per_prompt=5, max_new_tokens=60)
    groups = answered(policy, problems, sampling, key=(1,), talk=Talk(Paying, Environment()))
    named = {"turns": Reward(), **rewards}
    functions = load_rewards(named, task_rewards={}, base=Path.cwd())
    return score_groups(groups, functions)


def _paid(rollout):
    return [turn.reward or 0.0 for turn in rollout.episode.turns]


def _credited(groups, name, **changes):
    algorithm = choose(name, changes)
    chosen = select(groups, algorithm)
    return with_advantages(chosen, algorithm, token_at=tiny_policy()[0].token_at)


def test_a_turns_tokens_have_what_is_to_come_and_what_was_shown_has_nothing():
    groups = _groups()
    found = _credited(groups, "rloo-turns", advantage="turn-returns", turn_gamma=0.5)
    assert len(found.places) > 5
    for (g, r), part in zip(found.places, found.advantages, strict=True):
        rollout = groups[g].rollouts[r]
        assert len(part) == rollout.sampled.sum() < len(rollout.tokens) + 1
        to_come, expected = 0.0, []
        for turn, paid in zip(rollout.episode.turns[::-1], _paid(rollout)[::-1], strict=True):
            to_come = paid + 0.5 * to_come
            expected = [to_come] * turn.sampled + expected
        assert part == pytest.approx(expected)


def test_a_turn_is_compared_with_the_same_turn_of_its_own_group():
    groups = _groups()
    found = _credited(groups, "rloo-turns")
    to_come = [[np.cumsum(_paid(r)[::-1])[::-1] for r in group.rollouts] for group in groups]
    several = 0
    for (g, r), part in zip(found.places, found.advantages, strict=True):
        others = [own for n, own in enumerate(to_come[g]) if n != r]
        begin = 0
        for k, turn in enumerate(groups[g].rollouts[r].episode.turns):
            having = [own[k] for own in others if len(own) > k]
            if having:
                expected = to_come[g][r][k] - np.mean(having)
                assert part[begin : begin + turn.sampled] == pytest.approx(expected)
                several += k > 0
            begin += turn.sampled
    assert several > 5


def test_an_outcome_is_to_come_for_every_turn():
    groups = _groups()
    more = [
        replace(g, scores=tuple(replace(s, whole=10.0 * n) for n, s in enumerate(g.scores)))
        for g in groups
    ]
    one, other = (
        _credited(given, "rloo-turns", advantage="turn-returns") for given in (groups, more)
    )
    for (_, r), ours, theirs in zip(one.places, one.advantages, other.advantages, strict=True):
        assert theirs - ours == pytest.approx(10.0 * r)


def test_the_sum_of_the_turns_is_the_whole_episodes_reward():
    groups = _groups(turns=Reward(whole=True))
    for group in groups:
        for rollout, score in zip(group.rollouts, group.scores, strict=True):
            assert score.total == pytest.approx(sum(_paid(rollout)))
            assert score.token_steps == ()


def test_rewards_of_turns_and_their_discount_change_a_run(tmp_path):
    environment = f"{Path(__file__).with_name('environments.py')}:Paying"
    stage = REINFORCE | {"environment": environment, "max_new_tokens": 60, "steps": 1}
    several = {
        "turns": {"rewards": {"turns": 1.0}, "algorithm": "rloo-turns"},
        "whole": {"rewards": {"turns": {"whole": True}}, "algorithm": "rloo-turns"},
        "later": {
            "rewards": {"turns": 1.0},
            "algorithm": {"name": "rloo-turns", "turn_gamma": 0.5},
        },
    }
    found = {
        name: runs.weights(runs.run(tmp_path / name, stage | change))
        for name, change in several.items()
    }
    for one, other in (("turns", "whole"), ("turns", "later")):
        assert any(not torch.equal(found[one][key], found[other][key]) for key in found[one])


def _critic(policy):
    valued = valued_from(policy, "token")
    torch.nn.init.normal_(valued.head.weight, std=0.3, generator=torch.Generator().manual_seed(3))
    return OwnCritic(valued, Options(), updates=10)


def _plain_values(model, head, prompt, tokens):
    """The slow way: the value before each token, and the value after the last."""
    row = torch.cat([torch.from_numpy(part).long() for part in (prompt, tokens)])[None]
    hidden = model.model(input_ids=row, use_cache=False).last_hidden_state[0, len(prompt) - 1 :]
    return head(hidden)[:, 0].double().tolist()


def test_a_critics_estimates_run_over_sampled_tokens_and_skip_what_was_shown():
    policy, model = tiny_policy()
    ppo = ALGORITHMS["ppo"].but(beta=0.0, advantage="gae", gamma=0.9, gae_lambda=0.8)
    groups = select(_groups(turns=Reward(whole=True)), ppo)
    critic = _critic(policy)
    cutting = Cutting(tokens_per_microbatch=90, budget_tokens=60, device=CPU)
    places = counted_places(groups, ppo)
    credit = with_advantages(groups, ppo, said=ask(critic, groups, places, cutting))
    stops = set()
    for (g, r), part in zip(credit.places, credit.advantages, strict=True):
        rollout, reward = groups[g].rollouts[r], groups[g].scores[r].total
        stops.add(rollout.stop)
        with torch.no_grad():
            found = _plain_values(
                model, critic._valued.head, groups[g].prompt_tokens, rollout.tokens
            )
        values = [found[n] for n in np.flatnonzero(rollout.sampled)]
        after, advantage, expected = found[-1] * (rollout.stop == "length"), 0.0, []
        for value in values[::-1]:
            delta = reward * (not expected) + 0.9 * after - value
            advantage = delta + 0.9 * 0.8 * advantage
            expected, after = [advantage, *expected], value
        assert part == pytest.approx(expected, abs=1e-4)
    assert stops == {"end", "length"}
    (batch,) = prepare(credit, ppo, cutting)
    assert batch.tokens == sum(len(groups[g].rollouts[r].logprobs) for g, r in places)
    losses = [critic.learn(batch)["loss/value_avg"] for _ in range(3)]
    assert losses[-1] < losses[0]
