"""The native sampler against `generate`, against the trainer, and against itself."""

import numpy as np
import pytest
import torch

from cohort.data.packing import Family, Member, pack
from cohort.errors import DataError
from cohort.policy import native
from cohort.rollout.choice import inverse_transform
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from tests.tiny import ARCHITECTURES, ENDS, prompts, tiny_policy

LENGTHS = (3, 9, 1, 17, 5)


def _requests():
    return [Request(str(i), p, (1, "rollout", i)) for i, p in enumerate(prompts(LENGTHS))]


@pytest.fixture(params=["compiled", "torch"], autouse=True)
def _with_and_without_compiled_kernels(request, monkeypatch):
    """Everything here holds for both; where there is no compiler, both are torch's operations."""
    if request.param == "torch":
        monkeypatch.setattr(native, "suits", lambda *_: False)


def _tokens(groups):
    return [[rollout.tokens.tolist() for rollout in group] for group in groups]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_greedy_tokens_are_those_of_generate(architecture):
    policy, model = tiny_policy(architecture)
    for request, (rollout,) in zip(
        _requests(),
        sample(
            policy, _requests(), Sampling(rollouts_per_prompt=1, max_new_tokens=24, greedy=True)
        ),
        strict=True,
    ):
        ids = torch.from_numpy(request.prompt.astype(np.int64))[None]
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False,
            eos_token_id=ENDS, pad_token_id=0,
        )  # fmt: skip
        assert rollout.tokens.tolist() == out[0, ids.shape[1] :].tolist()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_samplers_logprobs_are_the_trainers(architecture):
    policy, _ = tiny_policy(architecture)
    options = Sampling(rollouts_per_prompt=6, max_new_tokens=20, temperatures=(1.2,), slots=9)
    groups = sample(policy, _requests(), options)
    stops = {rollout.stop for group in groups for rollout in group}
    assert stops == {"end", "length"}, "the test needs rollouts that end and rollouts that are cut"
    for request, group in zip(_requests(), groups, strict=True):
        members = tuple(Member(rollout.tokens, 0) for rollout in group)
        with torch.no_grad():
            trained, _ = policy.logprobs(pack([Family(request.prompt, members)]), temperature=1.2)
        sampled = np.concatenate([rollout.logprobs for rollout in group])
        assert np.abs(trained.numpy() - sampled).max() < 1e-5


@pytest.mark.parametrize("lanes", [1, 3, 7, 20])
def test_the_number_of_slots_does_not_change_a_rollout(lanes):
    policy, _ = tiny_policy("mistral")
    wide = Sampling(rollouts_per_prompt=8, max_new_tokens=20, slots=64)
    narrow = Sampling(rollouts_per_prompt=8, max_new_tokens=20, slots=lanes)
    assert _tokens(sample(policy, _requests(), wide)) == _tokens(
        sample(policy, _requests(), narrow)
    )


def test_the_order_of_the_problems_does_not_change_a_rollout():
    policy, _ = tiny_policy()
    options = Sampling(rollouts_per_prompt=4, max_new_tokens=20, slots=6)
    forward = _tokens(sample(policy, _requests(), options))
    backward = _tokens(sample(policy, _requests()[::-1], options))
    assert forward == backward[::-1]


def test_rollouts_of_one_group_differ_and_another_key_gives_others():
    policy, _ = tiny_policy()
    options = Sampling(rollouts_per_prompt=8, max_new_tokens=20)
    (prompt,) = prompts([5])
    (one,) = _tokens(sample(policy, [Request("a", prompt, (1, "rollout", "a"))], options))
    (two,) = _tokens(sample(policy, [Request("a", prompt, (2, "rollout", "a"))], options))
    assert len({tuple(tokens) for tokens in one}) > 1
    assert one != two


def test_a_rollout_stops_at_its_end_token_or_at_the_limit():
    policy, _ = tiny_policy()
    options = Sampling(rollouts_per_prompt=8, max_new_tokens=12)
    for rollout in (r for group in sample(policy, _requests(), options) for r in group):
        assert not set(rollout.tokens[:-1].tolist()) & set(ENDS)
        ended = int(rollout.tokens[-1]) in ENDS
        assert rollout.stop == ("end" if ended else "length")
        assert ended or len(rollout.tokens) == 12


def test_answers_never_leave_the_context_and_a_prompt_that_fills_it_is_refused():
    policy, _ = tiny_policy()
    options = Sampling(rollouts_per_prompt=4, max_new_tokens=90)
    long, full = prompts([90, 96])
    (group,) = sample(policy, [Request("long", long, (1,))], options)
    assert max(len(rollout.tokens) for rollout in group) <= 6
    with pytest.raises(DataError, match=r"'full' has 96 tokens"):
        sample(policy, [Request("full", full, (1,))], options)


def test_sampled_frequencies_are_the_models_probabilities():
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0]).expand(40_000, 4)
    uniforms = torch.rand(40_000, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    seen = torch.bincount(inverse_transform(logits.softmax(-1), uniforms), minlength=4) / 40_000
    # Four binomial deviations: a right sampler fails this once in some ten thousand seeds.
    expected = logits[0].softmax(-1)
    assert ((seen - expected).abs() < 4 * (expected * (1 - expected) / 40_000).sqrt()).all()


def test_a_token_without_probability_is_never_taken():
    logits = torch.tensor([[-float("inf"), 0.0, -float("inf"), 0.0, -float("inf")]]).expand(3, 5)
    uniforms = torch.tensor([0.0, 0.5, 1.0 - 2**-53], dtype=torch.float64)
    assert inverse_transform(logits.softmax(-1), uniforms).tolist() == [1, 3, 3]


def test_the_sampler_reads_the_weights_that_training_updates():
    policy, _ = tiny_policy()
    options = Sampling(rollouts_per_prompt=4, max_new_tokens=20)
    before = _tokens(sample(policy, _requests(), options))
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter.mul_(1.5)
    assert _tokens(sample(policy, _requests(), options)) != before
