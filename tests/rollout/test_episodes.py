"""Episodes: turns in slots, against single turns, the trainer, and slow or failing environments."""

import itertools
import time

import numpy as np
import pytest
import torch

from cohort.data.packing import Family, Member, pack, pack_plain
from cohort.data.records import Problem
from cohort.errors import DataError
from cohort.policy import native
from cohort.rollout.environments import Observed
from cohort.rollout.episodes import Episodes, Limits
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from cohort.rollout.voice import Voice
from tests.tiny import ENDS, tiny_policy

PROMPTS = ("3 4 5 9", "7", "11 12 13 14 15 16 17")
SAMPLING = Sampling(rollouts_per_prompt=6, max_new_tokens=40, slots=7)


@pytest.fixture(params=["compiled", "torch"], autouse=True)
def _with_and_without_compiled_kernels(request, monkeypatch):
    """Everything here holds for both; where there is no compiler, both are torch's operations."""
    if request.param == "torch":
        monkeypatch.setattr(native, "suits", lambda *_: False)


class Counting:
    """Shows two tokens after each turn, and is over after as many turns as the seed says."""

    wait = staticmethod(lambda spoken: 0.0)
    quick = False

    def reset(self, problem, seed):
        self._turns = 1 + seed % 4
        return problem.prompt

    def step(self, spoken):
        time.sleep(self.wait(spoken))
        over = spoken.number + 1 >= self._turns
        return Observed("20 21", over=over, reward=1.0, facts={"turns": spoken.number + 1})


class Quick(Counting):
    quick = True


class Once(Counting):
    def step(self, spoken):
        return Observed(over=True)


def sampled(policy, factory, sampling=SAMPLING, limits=None, prompts=PROMPTS):
    problems = [Problem(str(n), prompt) for n, prompt in enumerate(prompts)]
    conversation = factory and Episodes(
        factory,
        problems,
        members=sampling.rollouts_per_prompt,
        voice=Voice(policy),
        limits=limits or Limits(turn_seconds=20.0),
        key=(1,),
    )
    requests = [Request(p.id, policy.prompt_tokens(p), (1, p.id)) for p in problems]
    return requests, sample(policy, requests, sampling, conversation=conversation)


def _bits(groups):
    return [[(r.tokens.tolist(), r.logprobs.tolist(), r.stop) for r in group] for group in groups]


def _same(one, other):
    """The same tokens, and the same log-probabilities but for how many lanes shared a product."""
    for r, s in zip(itertools.chain(*one), itertools.chain(*other), strict=True):
        assert (r.tokens.tolist(), r.stop) == (s.tokens.tolist(), s.stop)
        assert np.abs(r.logprobs - s.logprobs).max() < 1e-5


@pytest.mark.parametrize("architecture", ["llama", "mistral"])
def test_an_episode_of_one_turn_is_the_answer_without_an_environment(architecture):
    policy, _ = tiny_policy(architecture)
    assert _bits(sampled(policy, Once)[1]) == _bits(sampled(policy, None)[1])


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "mistral", "gpt2"])
def test_sampled_tokens_have_the_trainers_logprobs_and_shown_ones_have_none(architecture):
    policy, _ = tiny_policy(architecture)
    requests, groups = sampled(policy, Counting)
    assert max(len(r.episode.turns) for group in groups for r in group) > 2
    for request, group in zip(requests, groups, strict=True):
        for rollout in group:
            assert len(rollout.logprobs) == rollout.sampled.sum()
            row = pack([Family(request.prompt, (Member(rollout.tokens, 0, rollout.sampled),))])
            with torch.no_grad():
                trained, _ = policy.logprobs(row)
            assert np.abs(trained.numpy() - rollout.logprobs).max() < 1e-5


def test_what_is_shown_stands_where_the_turns_say():
    policy, _ = tiny_policy()
    shown = policy.seen_tokens("20 21").tolist()
    for group in sampled(policy, Counting)[1]:
        for rollout in group:
            place = 0
            for turn in rollout.episode.turns:
                said = rollout.tokens[place : place + turn.sampled]
                place += turn.sampled + turn.observed
                seen = rollout.tokens[place - turn.observed : place].tolist()
                assert seen == (shown if turn.observed else [])
                assert turn.text == policy.text(said)
                assert not set(said[:-1].tolist()) & set(ENDS)
            assert place == len(rollout.tokens)
            assert rollout.sampled[-1]


@pytest.mark.parametrize("slots", [1, 3, 18])
def test_slots_and_the_order_of_replies_change_no_rollout(slots, monkeypatch):
    policy, _ = tiny_policy()
    wanted = sampled(policy, Quick)[1]
    delays = np.random.default_rng(slots)
    monkeypatch.setattr(Counting, "wait", staticmethod(lambda _: 0.02 * delays.random()))
    narrow = Sampling(rollouts_per_prompt=6, max_new_tokens=40, slots=slots)
    _same(sampled(policy, Counting, narrow)[1], wanted)


def test_greedy_turns_are_those_of_generate():
    policy, model = tiny_policy()
    greedy = Sampling(rollouts_per_prompt=1, max_new_tokens=30, greedy=True)
    requests, groups = sampled(policy, Counting, greedy)
    for request, (rollout,) in zip(requests, groups, strict=True):
        so_far, place = request.prompt.tolist(), 0
        for turn in rollout.episode.turns:
            out = model.generate(
                torch.tensor([so_far]), attention_mask=torch.ones(1, len(so_far)),
                max_new_tokens=turn.sampled, do_sample=False, eos_token_id=ENDS, pad_token_id=0,
            )  # fmt: skip
            said = rollout.tokens[place : place + turn.sampled].tolist()
            assert out[0, len(so_far) :].tolist() == said
            place += turn.sampled + turn.observed
            so_far = [*request.prompt.tolist(), *rollout.tokens[:place].tolist()]


def test_a_packed_row_with_masks_has_the_gradient_of_plain_sequences():
    policy, _ = tiny_policy()
    requests, groups = sampled(policy, Counting)
    families, offset = [], 0
    for request, group in zip(requests, groups, strict=True):
        members = []
        for rollout in group:
            members.append(Member(rollout.tokens, offset, rollout.sampled))
            offset += len(rollout.logprobs)
        families.append(Family(request.prompt, tuple(members)))
    weights = torch.linspace(-1, 1, offset)
    found = []
    for laid_out in (pack, pack_plain):
        row = laid_out(families)
        logprobs, _ = policy.logprobs(row)
        (logprobs * weights[torch.from_numpy(row.flat)]).sum().backward()
        found.append([p.grad.clone() for p in policy.model.parameters()])
        policy.model.zero_grad()
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_turns_and_tokens_have_limits():
    policy, _ = tiny_policy()
    limits = Limits(turns=2, turn_seconds=20.0)
    groups = sampled(policy, Counting, limits=limits)[1]
    stops = {r.stop for group in groups for r in group}
    assert "turns" in stops
    assert all(len(r.episode.turns) <= 2 for group in groups for r in group)
    short = Sampling(rollouts_per_prompt=6, max_new_tokens=8, slots=7)
    groups = sampled(policy, Counting, short)[1]
    assert "length" in {r.stop for group in groups for r in group}
    assert all(len(r.tokens) <= 8 and r.sampled[-1] for group in groups for r in group)


class Broken(Counting):
    def step(self, spoken):
        if self._turns == 1:
            raise OSError("the table is gone")
        if self._turns == 2:
            time.sleep(60)
        if self._turns == 3:
            return "no answer"
        return Observed(over=True, reward=float("nan"))


def test_an_environment_that_fails_fails_its_own_episode_alone():
    policy, _ = tiny_policy()
    limits = Limits(turn_seconds=0.5)
    groups = sampled(policy, Broken, limits=limits, prompts=[str(n) for n in range(6, 18)])[1]
    rollouts = [r for group in groups for r in group if r.stop != "length"]
    assert {r.stop for r in rollouts} == {"failed"}
    reasons = " ".join(sorted({" ".join(r.episode.failure) for r in rollouts}))
    for part in ("the table is gone", "deadline it had not answered", "str, not an Obs", "nan"):
        assert part in reasons


class Drawn(Counting):
    def __init__(self):
        self._mine = np.random.default_rng().integers(2**31)

    def state_hash(self):
        return str(self._mine)


def test_members_of_a_group_that_start_differently_are_refused():
    policy, _ = tiny_policy()
    with pytest.raises(DataError, match="start differently"):
        sampled(policy, Drawn)


class Awaited(Counting):
    async def reset(self, problem, seed):
        return Counting.reset(self, problem, seed)

    async def step(self, spoken):
        return Counting.step(self, spoken)


def test_environments_may_be_coroutines():
    policy, _ = tiny_policy()
    _same(sampled(policy, Awaited)[1], sampled(policy, Quick)[1])
