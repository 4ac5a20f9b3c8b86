"""A base in 4 bits beneath adapters: trained, sampled and saved like any other, or refused."""

import importlib.util
import sys

import pytest
import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from cohort.config.load import read_model
from cohort.config.recipe import LoRA, Model
from cohort.config.stages import Optimizer
from cohort.data.packing import Family, Member, pack
from cohort.errors import ModelError, RecipeError
from cohort.policy.load import load_policy, save_policy
from cohort.policy.new import new_tokenizer
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from cohort.train.optim import Updater
from cohort.train.reference import frozen_copy
from tests.policy.architectures import TRAINED, tiny
from tests.tiny import PIECES, families, prompts

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:peft")
needs_bits = pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed"
)
ROW = pack(families([(3, (5, 1, 9)), (6, (3, 14))]))


def _folder(path, name="Llama"):
    model = tiny(TRAINED[name])
    model.save_pretrained(path)
    new_tokenizer(PIECES).save_pretrained(path)
    return str(path)


def _policy(folder, **options):
    lora = LoRA(rank=4, quantized="nf4", targets=options.pop("targets", "all-linear"))
    return load_policy(Model(path=folder, lora=lora, **options), vocabulary=[], seed=3)


def _train(policy, updates=5):
    updater = Updater(policy, Optimizer(learning_rate=1e-2), updates=updates)
    for _ in range(updates):
        updater.add_gradient([ROW], lambda row: (-policy.logprobs(row)[0].mean(), None))
        updater.update()
        updater.clear()


def _narrow(policy):
    return {n: p for n, p in policy.model.named_parameters() if p.dtype == torch.uint8}


@needs_bits
@pytest.mark.parametrize("name", ["Llama", "Gemma 3", "Mixtral"])
def test_a_base_in_4_bits_stays_to_the_bit_and_the_adapters_learn(tmp_path, name):
    policy = _policy(_folder(tmp_path, name))
    before = {n: p.clone() for n, p in _narrow(policy).items()}
    first = policy.logprobs(ROW)[0].mean()
    _train(policy)
    assert len(before) >= 8
    assert policy.logprobs(ROW)[0].mean() > first + 0.1
    assert all(torch.equal(parameter, before[n]) for n, parameter in _narrow(policy).items())


@needs_bits
def test_what_is_rounded_says_nearly_what_the_base_says_and_not_the_same(tmp_path):
    folder = _folder(tmp_path)
    narrow, whole = _policy(folder), load_policy(Model(path=folder), vocabulary=[], seed=3)
    away = (narrow.logprobs(ROW)[0] - whole.logprobs(ROW)[0]).detach().abs()
    assert 0.001 < float(away.mean()) < 0.5


@needs_bits
def test_the_sampler_and_the_trainer_agree_on_a_base_in_4_bits(tmp_path):
    policy = _policy(_folder(tmp_path))
    _train(policy)
    (prompt,) = prompts([4])
    (group,) = sample(
        policy, [Request("a", prompt, (1,))], Sampling(rollouts_per_prompt=4, max_new_tokens=9)
    )
    for rollout in group:
        row = pack([Family(prompt, (Member(rollout.tokens, 0),))])
        trained = policy.logprobs(row)[0].detach().numpy()
        assert abs(trained - rollout.logprobs).max() < 1e-4


@needs_bits
def test_the_saved_adapter_says_the_same_on_the_base_that_transformers_puts_into_4_bits(tmp_path):
    peft = pytest.importorskip("peft")
    policy = _policy(_folder(tmp_path / "base"))
    _train(policy)
    save_policy(policy, tmp_path / "saved")
    bits = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )  # fmt: skip
    base = AutoModelForCausalLM.from_pretrained(
        tmp_path / "base", quantization_config=bits, device_map="cpu", attn_implementation="eager"
    )
    theirs = peft.PeftModel.from_pretrained(base, tmp_path / "saved").eval()
    ids = torch.arange(1, 20)[None]
    policy.model.set_attn_implementation("eager")
    with torch.no_grad():
        difference = theirs(input_ids=ids).logits - policy.model(input_ids=ids).logits
    assert difference.abs().max() < 1e-4


@needs_bits
def test_the_reference_shares_the_base_in_4_bits(tmp_path):
    policy = _policy(_folder(tmp_path))
    reference = frozen_copy(policy)
    before = reference.logprobs(ROW)[0].detach().clone()
    shared = {p.data_ptr() for p in _narrow(policy).values()}
    assert {p.data_ptr() for p in _narrow(reference).values()} == shared
    _train(policy)
    assert torch.equal(reference.logprobs(ROW)[0], before)
    assert not torch.equal(policy.logprobs(ROW)[0], before)


def test_without_its_package_a_base_in_4_bits_is_refused_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ModelError, match="needs the package bitsandbytes") as refused:
        _policy(_folder(tmp_path))
    assert "cohort-rl[qlora]" in refused.value.hint


def test_what_a_base_in_4_bits_cannot_do_is_refused_with_the_recipe():
    with pytest.raises(RecipeError, match="takes no adapters up"):
        read_model("a", ["model.lora={merge=true, quantized='nf4'}"], source="a test")
    changes = ["model={new={}, lora={quantized='nf4'}}"]
    with pytest.raises(RecipeError, match="not for a new one"):
        read_model("a", changes, source="a test")
