"""A policy is saved as an ordinary folder, and refused where it could not be trained as it is."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from cohort.config.recipe import Model, NewModel
from cohort.data.packing import Family, Member, pack
from cohort.errors import ModelError
from cohort.policy.load import load_policy, save_policy, take_over
from cohort.policy.new import new_tokenizer
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from tests.tiny import ENDS, PIECES, families, gradients, prompts, tiny_model, tiny_policy


def test_a_saved_policy_loads_with_identical_logits(tmp_path):
    policy, _ = tiny_policy("qwen3")
    save_policy(policy, tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    ids = torch.tensor([tokenizer("1 2 36 7".replace(" ", ""))["input_ids"]])
    policy.model.set_attn_implementation("sdpa")
    with torch.no_grad():
        assert torch.equal(model(ids).logits, policy.model(ids).logits)


def test_a_new_model_is_a_function_of_its_seed():
    options = Model(new=NewModel(hidden=16, layers=1, heads=2, key_value_heads=1))
    one, again, other = (load_policy(options, vocabulary=PIECES, seed=s) for s in (1, 1, 2))
    for a, b in zip(one.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(a, b)
    same = one.model.get_input_embeddings().weight == other.model.get_input_embeddings().weight
    assert not same.all()


def test_a_new_model_s_weights_deviate_as_they_are_told():
    small = NewModel(hidden=16, layers=1, heads=2, key_value_heads=1, initial_deviation=0.02)
    large = small.model_copy(update={"initial_deviation": 0.2})
    one, other = (load_policy(Model(new=n), vocabulary=PIECES, seed=1) for n in (small, large))
    query, larger = (p.model.model.layers[0].self_attn.q_proj.weight for p in (one, other))
    assert torch.allclose(10.0 * query, larger)


def test_a_new_tokenizer_round_trips_after_saving(tmp_path):
    new_tokenizer(["12", "1", "2", "<think>", "+", " "]).save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    ids = tokenizer("<think>12+1 2")["input_ids"]
    assert len(ids) == 6
    assert tokenizer.decode(ids, skip_special_tokens=True) == "<think>12+1 2"


def test_a_tokenizer_larger_than_the_model_is_refused():
    with pytest.raises(ModelError, match="40 embeddings"):
        take_over(tiny_model(), new_tokenizer([str(n) for n in range(100)]))


def test_where_neither_tokenizer_nor_model_names_an_end_there_is_none():
    model, tokenizer = tiny_model(), new_tokenizer(PIECES)
    tokenizer.eos_token = None
    model.generation_config.eos_token_id = model.config.eos_token_id = None
    with pytest.raises(ModelError, match="no end-of-sequence token"):
        take_over(model, tokenizer)


def test_a_tokenizer_without_an_end_has_the_models():
    model, tokenizer = tiny_model(), new_tokenizer(PIECES)
    tokenizer.eos_token = None
    policy = take_over(model, tokenizer)
    assert policy.tokenizer.eos_token_id == ENDS[0]
    assert policy.ends == set(ENDS)


def test_a_tokenizer_needs_no_pad_token_and_gets_none(tmp_path):
    tokenizer = new_tokenizer(PIECES)
    tokenizer.pad_token = None
    save_policy(take_over(tiny_model(), tokenizer), tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path).pad_token is None


def test_rows_of_the_head_without_a_token_are_never_sampled():
    model = tiny_model()
    with torch.no_grad():
        model.lm_head.weight[30:] = 20 * model.lm_head.weight[30:].abs()
    policy = take_over(model, new_tokenizer(PIECES[:20]))
    assert policy.vocabulary == 23
    requests = [Request("a", prompt % 23, (1,)) for prompt in prompts([4, 7])]
    groups = sample(policy, requests, Sampling(rollouts_per_prompt=8, max_new_tokens=12))
    assert max(int(r.tokens.max()) for group in groups for r in group) < 23
    (family,) = families([(4, (6,))])
    row = pack([Family(family.prompt % 23, (Member(family.members[0].tokens % 23, 0),))])
    every = torch.stack([_logprob(policy, row, token) for token in range(23)])
    torch.testing.assert_close(every.exp().sum(0), torch.ones(6), rtol=0, atol=1e-5)


def _logprob(policy, row, token):
    """Of this token at every sampled place."""
    return policy.logprobs(replace(row, sampled=np.full_like(row.sampled, token)))[0].detach()


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_recomputing_layers_changes_memory_and_no_number(architecture, recompute):
    row = pack(families([(3, (5, 9)), (6, (14,))]))
    found = []
    for again in (False, recompute):
        policy, _ = tiny_policy(architecture)
        if again:
            policy.recompute()
        logprobs, _ = policy.logprobs(row)
        logprobs.sum().backward()
        found.append((logprobs.detach(), gradients(policy.model), _kept(policy, row)))
    (values, slopes, much), (others, other_slopes, less) = found
    assert torch.equal(values, others)
    torch.testing.assert_close(slopes, other_slopes, rtol=1e-6, atol=1e-7)
    assert (less < 0.6 * much) == recompute


def _kept(policy, row):
    """The numbers that a row keeps for its gradient."""
    sizes = []

    def keep(tensor):
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        policy.logprobs(row)
    return sum(sizes)


def test_a_folder_without_a_model_is_refused_by_name(tmp_path):
    with pytest.raises(ModelError, match="no model folder"):
        load_policy(Model(path=str(tmp_path / "nothing")), vocabulary=[], seed=1)
    with pytest.raises(ModelError, match=r"config\.json"):
        load_policy(Model(path=str(tmp_path)), vocabulary=[], seed=1)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(ModelError, match=r"no model\.safetensors"):
        load_policy(Model(path=str(tmp_path)), vocabulary=[], seed=1)
