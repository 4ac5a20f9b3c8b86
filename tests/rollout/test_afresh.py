"""Episodes whose context is written anew: each turn goes on from it, and is sampled as the trainer has it."""

import itertools
import json
import urllib.request
from dataclasses import replace

import numpy as np
import pytest
import torch

from cohort.data.episodes import episode_from, pieces, told_of
from cohort.data.packing import Family, Member, pack
from cohort.data.records import Problem
from cohort.rollout.agent_environment import AgentEnvironment
from cohort.rollout.environments import Observed, Spoken
from cohort.rollout.episodes import Limits
from cohort.rollout.request import Sampling
from tests.rollout.test_episodes import Counting, sampled
from tests.tiny import tiny_policy

LIMITS = Limits(turn_seconds=20.0, context_tokens=60)
PROMPTS = [str(n) for n in range(6, 12)]
"""Of one to four turns."""


class Rewriting(Counting):
    """After the first turn the policy sees another context; after the second something more of it."""

    quick = True

    def step(self, spoken):
        over = spoken.number + 1 >= self._turns
        if spoken.number == 0:
            return Observed("9 8 7 " + str(len(spoken.text)), afresh=True, reward=1.0, over=over)
        return Observed("20 21", afresh=spoken.number == 2, reward=1.0, over=over)


def _rewritten(**more):
    policy, _ = tiny_policy()
    limits = replace(LIMITS, **more)
    sampling = Sampling(rollouts_per_prompt=4, max_new_tokens=80, slots=7)
    return policy, *sampled(policy, Rewriting, sampling, limits=limits, prompts=PROMPTS)


def test_a_turn_goes_on_from_the_context_that_was_written_for_it():
    policy, _, groups = _rewritten()
    rollouts = [r for group in groups for r in group]
    assert max(len(r.episode.turns) for r in rollouts) > 3
    for rollout in rollouts:
        first, *others = rollout.episode.turns
        assert first.context is None
        assert sum(turn.sampled for turn in (first, *others)) == len(rollout.tokens)
        assert len(rollout.logprobs) == len(rollout.tokens)
        if others:
            wanted = policy.seen_tokens("9 8 7 " + str(len(first.text))).tolist()
            assert list(others[0].context) == wanted
        if len(others) > 1:
            own = rollout.tokens[first.sampled :][: others[0].sampled].tolist()
            shown = policy.seen_tokens("20 21").tolist()
            assert list(others[1].context) == [*others[0].context, *own, *shown]


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_every_turn_has_the_trainers_logprobs(architecture):
    policy, _ = tiny_policy(architecture)
    requests, groups = sampled(policy, Rewriting, limits=LIMITS)
    for request, group in zip(requests, groups, strict=True):
        for rollout in group:
            begin = 0
            for piece in pieces(rollout):
                prompt = request.prompt if piece.context is None else piece.context
                row = pack([Family(prompt, (Member(piece.tokens, 0, piece.sampled),))])
                with torch.no_grad():
                    trained, _ = policy.logprobs(row)
                own = rollout.logprobs[begin : begin + piece.count]
                begin += piece.count
                assert np.abs(trained.numpy() - own).max() < 1e-5
            assert begin == len(rollout.logprobs)


@pytest.mark.parametrize("slots", [1, 18])
def test_the_number_of_slots_changes_no_rewritten_episode(slots):
    policy, _ = tiny_policy()
    sampling = Sampling(rollouts_per_prompt=6, max_new_tokens=40, slots=slots)
    _, one = sampled(policy, Rewriting, sampling, limits=LIMITS)
    _, other = sampled(policy, Rewriting, limits=LIMITS)
    for r, s in zip(itertools.chain(*one), itertools.chain(*other), strict=True):
        assert (r.tokens.tolist(), r.stop, r.episode.turns) == (
            s.tokens.tolist(),
            s.stop,
            s.episode.turns,
        )
        assert np.abs(r.logprobs - s.logprobs).max() < 1e-5


def test_sampled_tokens_have_a_limit_and_contexts_another():
    policy, _ = tiny_policy()
    short = Sampling(rollouts_per_prompt=6, max_new_tokens=16, slots=7)
    _, groups = sampled(policy, Rewriting, short, limits=LIMITS, prompts=PROMPTS)
    assert {"end", "length"} <= {r.stop for group in groups for r in group}
    assert all(len(r.tokens) <= 16 for group in groups for r in group)
    _, _, groups = _rewritten(context_tokens=8)
    failed = [r for group in groups for r in group if r.stop == "failed"]
    assert failed
    assert all("and at most 8 are allowed" in r.episode.failure[1] for r in failed)


def test_a_rewritten_context_is_refused_where_the_stage_has_no_room_for_it():
    _, _, groups = _rewritten(context_tokens=0)
    several = [r for group in groups for r in group if r.stop == "failed"]
    assert several
    assert {r.episode.failure[0] for r in several} == {"invalid"}


def test_an_episode_is_kept_with_its_contexts():
    _, _, groups = _rewritten()
    for rollout in groups[0]:
        assert episode_from(told_of(rollout.episode)) == rollout.episode


def _ask(base_url, content):
    messages = [{"role": "user", "content": content}]
    request = urllib.request.Request(
        f"{base_url}/chat/completions",
        json.dumps({"model": "cohort", "messages": messages}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def _forgetful(base_url, problem):
    for number in range(3):
        _ask(base_url, f"question {number}")


def test_an_agent_that_forgets_what_was_said_writes_its_context_anew():
    environment = AgentEnvironment(_forgetful, rewrites=True, seconds=20.0)
    problem = Problem("one", "")
    assert environment.reset(problem, 1)[0]["content"] == "question 0"
    for number in (1, 2):
        seen = environment.step(Spoken("an answer", number - 1, content="an answer"))
        assert seen.afresh
        assert [message["content"] for message in seen.seen] == [f"question {number}"]
    assert environment.step(Spoken("an answer", 2, content="an answer")).over
    environment.close()
