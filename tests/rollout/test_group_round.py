"""Sampling by whole groups, as a GPU does it: on the CPU it must sample what the other way samples."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cohort.policy import native
from cohort.rollout.graphs import Recorded, recorded, warmup_seconds
from cohort.rollout.group_round import STEPS, GroupRound
from cohort.rollout.grouped import Choosing, Lanes, Shape, attention
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from tests.tiny import prompts, tiny_policy

LENGTHS = (3, 9, 1, 17, 5, 30, 2)
SHAPE = Shape(groups=4, members=2, prompt=64, answer=20)


def requests():
    return [Request(str(i), p, (1, "rollout", i)) for i, p in enumerate(prompts(LENGTHS))]


def by_groups(policy, asked, sampling):
    with torch.inference_mode():
        return GroupRound(policy, asked, sampling, lambda done, total: None).run()


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3"])
@pytest.mark.parametrize(
    "options",
    [
        {"slots": 64},
        {"slots": 8},
        {"slots": 1},
        {"slots": 12, "temperatures": (0.7, 1.0, 1.3)},
        {"slots": 12, "greedy": True},
    ],
)
def test_it_samples_the_tokens_of_the_other_way(architecture, options):
    policy, _ = tiny_policy(architecture)
    asked = Sampling(rollouts_per_prompt=4, max_new_tokens=STEPS + 8, **options)
    ours, theirs = by_groups(policy, requests(), asked), sample(policy, requests(), asked)
    stops = set()
    for one, other in zip(sum(ours, []), sum(theirs, []), strict=True):
        stops.add(one.stop)
        assert one.tokens.tolist() == other.tokens.tolist()
        assert np.abs(one.logprobs - other.logprobs).max() < 1e-5
        assert (one.stop, one.text, one.temperature) == (other.stop, other.text, other.temperature)
    assert stops == {"end", "length"}


def test_what_is_kept_is_used_again_and_changes_nothing():
    policy, _ = tiny_policy()
    asked = Sampling(rollouts_per_prompt=3, max_new_tokens=20, slots=9)
    first = by_groups(policy, requests(), asked)
    kept = policy.kept[Recorded]
    again = by_groups(policy, requests()[:4], asked)
    assert policy.kept[Recorded] is kept
    for one, other in zip(sum(first[:4], []), sum(again, []), strict=True):
        assert one.tokens.tolist() == other.tokens.tolist()


def test_updated_weights_are_read_and_moved_weights_make_new_steps():
    policy, model = tiny_policy()
    asked = Sampling(rollouts_per_prompt=3, max_new_tokens=20)
    with torch.no_grad():
        for own, other in zip(policy.model.parameters(), model.parameters(), strict=True):
            own.mul_(1.5)
            other.copy_(own)
    choosing = Choosing(greedy=False, heated=False)
    before = recorded(policy, SHAPE, choosing)
    assert recorded(policy, SHAPE, choosing) is before
    theirs = sample(policy, requests(), asked)
    ours = by_groups(policy, requests(), asked)
    assert [r.tokens.tolist() for r in sum(ours, [])] == [
        r.tokens.tolist() for r in sum(theirs, [])
    ]
    embedding = policy.model.get_input_embeddings().weight
    embedding.data = embedding.data.clone()
    assert recorded(policy, SHAPE, choosing) is not before


def test_a_group_closes_into_the_place_of_another_with_all_that_it_has():
    policy, _ = tiny_policy()
    lanes = Lanes(policy, SHAPE)
    marked = (lanes.prompts, lanes.answers, *lanes._by_lane)
    for number, tensor in enumerate(marked, start=2):
        tensor.fill_(number)
    for tensor in marked:
        where = 2 if tensor is lanes.prompts or tensor is lanes.answers else 0
        tensor.select(where, 0 if tensor is lanes.prompts else 1).zero_()
    lanes.move(3, 0)
    assert all(bool((tensor == tensor.flatten()[-1]).all()) for tensor in marked)


def test_a_lane_that_is_done_changes_no_more():
    policy, _ = tiny_policy()
    lanes = Lanes(policy, SHAPE)
    every = slice(0, 8)
    lanes.limit[:], lanes.alive[:] = 3, True
    lanes.record(every, torch.full((8,), 7), torch.full((8,), -1.0))
    lanes.record(every, torch.tensor([1, 7, 7, 7, 7, 7, 7, 5]), torch.full((8,), -2.0))
    kept = lanes.tokens[:, :2].clone()
    for _ in range(3):
        lanes.record(every, torch.full((8,), 9), torch.full((8,), -3.0))
    assert lanes.length.tolist() == [2, 3, 3, 3, 3, 3, 3, 2]
    assert not lanes.alive.any()
    assert torch.equal(lanes.tokens[:, :2], kept)
    assert lanes.tokens[1:7, 2].tolist() == [9] * 6


def test_attention_is_that_over_the_answers_and_the_prompts_keys_in_a_row():
    draw = torch.Generator().manual_seed(0)
    groups, members, heads, repeat, width, span, longest = 2, 3, 2, 2, 8, 5, 7
    count = groups * members

    def random(*shape):
        return torch.randn(*shape, generator=draw)

    query, keys, values = random(count, 4, width), *(random(count, heads, span, width),) * 2
    theirs = random(groups, heads, longest, width)
    lengths, offsets = torch.tensor([1, 5, 3, 2, 5, 4]), torch.tensor([7] * 3 + [4] * 3)
    visible = torch.cat(
        (torch.arange(span) < lengths[:, None], torch.arange(longest) < offsets[:, None]), 1
    )
    mask = torch.where(visible, 0.0, torch.finfo(torch.float32).min)
    ours = attention(query, keys, values, theirs, theirs * 0.5, mask, 0.4)
    for lane in range(count):
        row = theirs[lane // members]
        both = torch.cat((keys[lane], row), 1)[:, visible[lane]].repeat_interleave(repeat, 0)
        worth = torch.cat((values[lane], row * 0.5), 1)[:, visible[lane]]
        shares = (0.4 * (both @ query[lane][:, :, None])[..., 0]).softmax(-1)
        expected = (shares[:, None] @ worth.repeat_interleave(repeat, 0))[:, 0]
        torch.testing.assert_close(ours[lane], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("count", [5000, 65536])
def test_a_large_vocabulary_is_summed_in_pieces_to_the_same_token(count):
    from cohort.rollout.choice import inverse_transform

    draw = torch.Generator().manual_seed(1)
    probabilities = torch.randn(64, count, generator=draw).mul(3.0).softmax(-1)
    uniforms = torch.rand(64, dtype=torch.float64, generator=draw)
    uniforms[:3] = torch.tensor([0.0, 0.5, 1.0 - 2**-53])
    cumulative = probabilities.cumsum(-1, dtype=torch.float64)
    target = uniforms * cumulative[:, -1]
    expected = torch.searchsorted(cumulative, target[:, None], right=True)[:, 0]
    found = inverse_transform(probabilities, uniforms)
    assert torch.equal(found, expected.clamp(max=count - 1))


def test_native_is_off_where_groups_are_sampled_by_torch(monkeypatch):
    monkeypatch.setattr(native, "suits", lambda *_: False)
    policy, _ = tiny_policy("qwen3")
    asked = Sampling(rollouts_per_prompt=4, max_new_tokens=20, slots=8)
    ours, theirs = by_groups(policy, requests(), asked), sample(policy, requests(), asked)
    assert [r.tokens.tolist() for r in sum(ours, [])] == [
        r.tokens.tolist() for r in sum(theirs, [])
    ]


@pytest.mark.slow
def test_compiled_decoding_samples_the_same_and_says_what_its_warm_up_took():
    policy, _ = tiny_policy("qwen3")
    asked = Sampling(rollouts_per_prompt=4, max_new_tokens=24, slots=12, compiled=True)
    ours = sample(policy, requests(), asked)
    theirs = sample(policy, requests(), replace(asked, compiled=False))
    assert [r.tokens.tolist() for r in sum(ours, [])] == [
        r.tokens.tolist() for r in sum(theirs, [])
    ]
    assert warmup_seconds(policy) > 0.5
