"""A policy is saved as an ordinary folder, and refused where it could not be trained as it is."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from cohort.config.recipe import Model, NewModel
from cohort.errors import ModelError
from cohort.policy.load import load_policy, save_policy, take_over
from cohort.policy.new import new_tokenizer
from tests.tiny import PIECES, tiny_model, tiny_policy


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


@pytest.mark.parametrize("missing", ["eos_token", "pad_token"])
def test_a_tokenizer_without_an_end_or_a_pad_is_refused(missing):
    tokenizer = new_tokenizer(PIECES)
    setattr(tokenizer, missing, None)
    with pytest.raises(ModelError, match=r"no (end-of-sequence|pad) token"):
        take_over(tiny_model(), tokenizer)


def test_a_folder_without_a_model_is_refused_by_name(tmp_path):
    with pytest.raises(ModelError, match="no model folder"):
        load_policy(Model(path=str(tmp_path / "nothing")), vocabulary=[], seed=1)
    with pytest.raises(ModelError, match=r"config\.json"):
        load_policy(Model(path=str(tmp_path)), vocabulary=[], seed=1)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(ModelError, match=r"no model\.safetensors"):
        load_policy(Model(path=str(tmp_path)), vocabulary=[], seed=1)
