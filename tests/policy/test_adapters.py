"""Adapters: the base stays to the bit, and what is saved is what peft and others read."""

import copy
import json
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cohort.config.recipe import LoRA, Model, NewModel
from cohort.config.stages import Optimizer
from cohort.data.packing import Family, Member, pack
from cohort.errors import ModelError
from cohort.policy import adapters
from cohort.policy.load import load_policy, save_policy, saved_tensors, take_over
from cohort.policy.new import new_tokenizer
from cohort.policy.pretrained import check_pretrained
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from cohort.train.optim import Updater
from cohort.train.reference import frozen_copy
from tests.tiny import ARCHITECTURES, PIECES, families, prompts, tiny_model

peft = pytest.importorskip("peft")

ROW = pack(families([(3, (5, 1, 9)), (11, (1, 1)), (6, (3, 14))]))


def _policy(architecture="llama", path=None, **options):
    """A policy with adapters, five updates old, and the base as it was."""
    model = tiny_model(architecture)
    if path is not None:
        model.save_pretrained(path)
        new_tokenizer(PIECES).save_pretrained(path)
        model.name_or_path = str(path)
    base = copy.deepcopy(model)
    adapters.adapt(model, LoRA(rank=4, **options), seed=3)
    policy = take_over(model.eval(), new_tokenizer(PIECES))
    _train(policy)
    return policy, base


def _train(policy, updates=5):
    updater = Updater(policy, Optimizer(learning_rate=1e-2), updates=updates)
    for _ in range(updates):
        updater.add_gradient([ROW], lambda row: (-policy.logprobs(row)[0].mean(), None))
        updater.update()
        updater.clear()


def _logits(model):
    tokens = torch.arange(1, 20)[None]
    model = copy.deepcopy(model)
    model.set_attn_implementation("sdpa")
    with torch.no_grad():
        return model(input_ids=tokens).logits


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_base_stays_to_the_bit_and_the_policy_learns(architecture):
    policy, base = _policy(architecture)
    weights = dict(base.named_parameters())
    kept = 0
    for name, parameter in policy.model.named_parameters():
        if ".lora_" not in name:
            kept += 1
            assert torch.equal(parameter, weights[name.replace(".base_layer", "")]), name
    assert kept == len(weights)
    plain = take_over(base, new_tokenizer(PIECES))
    assert policy.logprobs(ROW)[0].mean() > plain.logprobs(ROW)[0].mean() + 0.1


def test_all_layers_but_the_head_get_an_adapter_or_those_that_are_named():
    policy, _ = _policy()
    named = {
        name.split(".lora_")[0].rpartition(".")[2] for name, _ in adapters.own_weights(policy.model)
    }
    assert named == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    policy, _ = _policy(targets=["q_proj"])
    assert all(".q_proj.lora_" in name for name, _ in adapters.own_weights(policy.model))
    with pytest.raises(ModelError, match="no adapter can be added") as refused:
        _policy(targets=["attention"])
    assert "q_proj" in str(refused.value.hint)


def test_a_new_policy_with_adapters_says_what_its_base_says_and_is_the_same_every_time():
    options = Model(new=NewModel(hidden=32, layers=1, heads=2, key_value_heads=1), lora=LoRA())
    one, two = (load_policy(options, vocabulary=PIECES, seed=1) for _ in range(2))
    other = load_policy(options, vocabulary=PIECES, seed=2)
    plain = load_policy(options.model_copy(update={"lora": None}), vocabulary=PIECES, seed=1)
    assert torch.equal(one.logprobs(ROW)[0], two.logprobs(ROW)[0])
    torch.testing.assert_close(one.logprobs(ROW)[0], plain.logprobs(ROW)[0], rtol=0, atol=1e-5)
    pairs = [
        (dict(adapters.own_weights(one.model)), dict(adapters.own_weights(policy.model)))
        for policy in (two, other)
    ]
    assert all(torch.equal(a[name], b[name]) for a, b in pairs[:1] for name in a)
    assert any(not torch.equal(a[name], b[name]) for a, b in pairs[1:] for name in a)
    assert one.saved_merged, "a new model has no base that an adapter folder could name"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_saved_adapter_is_loaded_by_peft_alone_and_by_cohort(tmp_path, architecture):
    policy, base = _policy(architecture, path=tmp_path / "base")
    save_policy(policy, tmp_path / "saved")
    written = load_file(tmp_path / "saved" / adapters.WEIGHTS)
    expected = saved_tensors(policy)
    assert written.keys() == expected.keys()
    assert all(torch.equal(written[name], expected[name]) for name in written)
    theirs = peft.PeftModel.from_pretrained(base, tmp_path / "saved").eval()
    assert torch.equal(_logits(theirs.base_model.model), _logits(policy.model))
    check_pretrained(str(tmp_path / "saved"))
    ours = load_policy(Model(path=str(tmp_path / "saved")), vocabulary=[], seed=1)
    torch.testing.assert_close(_logits(ours.model), _logits(policy.model), rtol=0, atol=2e-5)


def test_a_merged_model_is_an_ordinary_one(tmp_path):
    policy, _ = _policy()
    policy.saved_merged = True
    save_policy(policy, tmp_path)
    assert not (tmp_path / adapters.CONFIG).exists()
    loaded = load_policy(Model(path=str(tmp_path)), vocabulary=[], seed=1)
    assert not adapters.is_adapted(loaded.model)
    torch.testing.assert_close(_logits(loaded.model), _logits(policy.model), rtol=0, atol=2e-5)
    assert adapters.is_adapted(policy.model), "saving took the adapters away"


def test_the_reference_shares_the_base_and_stays_where_it_is():
    policy, _ = _policy()
    reference = frozen_copy(policy)
    before = reference.logprobs(ROW)[0].detach().clone()
    addresses = {p.data_ptr() for _, p in policy.model.named_parameters()}
    alone = [n for n, p in reference.model.named_parameters() if p.data_ptr() not in addresses]
    assert alone == [name for name, _ in adapters.own_weights(reference.model)]
    assert not any(p.requires_grad for p in reference.model.parameters())
    _train(policy)
    assert torch.equal(reference.logprobs(ROW)[0], before)
    assert not torch.allclose(policy.logprobs(ROW)[0], before, atol=1e-3)


def test_samples_have_the_log_probabilities_of_training():
    policy, _ = _policy()
    (prompt,) = prompts([4])
    options = Sampling(rollouts_per_prompt=3, max_new_tokens=6)
    (group,) = sample(policy, [Request("a", prompt, (1,))], options)
    offsets = np.cumsum([0, *(len(rollout.tokens) for rollout in group)])
    members = tuple(Member(r.tokens, int(o)) for r, o in zip(group, offsets, strict=False))
    row = pack([Family(prompt, members)])
    sampled = np.concatenate([rollout.logprobs for rollout in group])
    trained = np.empty_like(sampled)
    trained[row.flat] = policy.logprobs(row)[0].detach().numpy()
    np.testing.assert_allclose(trained, sampled, rtol=0, atol=1e-5)


def test_adapters_upon_adapters_are_refused_unless_merged(tmp_path):
    policy, _ = _policy(path=tmp_path / "base")
    save_policy(policy, tmp_path / "saved")
    path = str(tmp_path / "saved")
    with pytest.raises(ModelError, match="wrong base"):
        load_policy(Model(path=path, lora=LoRA()), vocabulary=[], seed=1)
    again = load_policy(Model(path=path, lora=LoRA(merge=True)), vocabulary=[], seed=1)
    torch.testing.assert_close(_logits(again.model), _logits(policy.model), rtol=0, atol=2e-5)


def test_without_peft_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ModelError, match="peft, which is not installed") as refused:
        adapters.check_adaptable(Model(path="some/model", lora=LoRA()))
    assert "cohort-rl[lora]" in str(refused.value.hint)


HOSTILE = {
    "no rank": {"r": 0},
    "rank as text": {"r": "8"},
    "another method": {"peft_type": "IA3"},
    "decomposed": {"use_dora": True},
    "no base": {"base_model_name_or_path": ""},
    "a base that is not there": {"base_model_name_or_path": "/nowhere/at/all"},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_adapter_folder_that_cannot_be_used_is_refused(tmp_path, name):
    policy, _ = _policy(path=tmp_path / "base")
    save_policy(policy, tmp_path / "saved")
    config = tmp_path / "saved" / adapters.CONFIG
    config.write_text(json.dumps(json.loads(config.read_text()) | HOSTILE[name]))
    with pytest.raises(ModelError):
        load_policy(Model(path=str(tmp_path / "saved")), vocabulary=[], seed=1)


def test_factors_that_do_not_fit_are_refused(tmp_path):
    policy, _ = _policy(path=tmp_path / "base")
    save_policy(policy, tmp_path / "saved")
    file = tmp_path / "saved" / adapters.WEIGHTS
    weights = load_file(file)
    name = min(weights)
    for odd in (torch.zeros(4, 7), torch.zeros(4, 48, 2)):
        save_file({**weights, name: odd}, file)
        with pytest.raises(ModelError, match=r"does not fit|no factor"):
            load_policy(Model(path=str(tmp_path / "saved")), vocabulary=[], seed=1)
    save_file({n: w for n, w in weights.items() if n != name.replace("_A.", "_B.")}, file)
    with pytest.raises(ModelError, match="does not fit"):
        load_policy(Model(path=str(tmp_path / "saved")), vocabulary=[], seed=1)
