"""Every architecture of the table in docs/models.md: packed, in plain rows, or refused with the reason."""

import copy
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration

from cohort.config.recipe import Model
from cohort.data.packing import Family, Member, pack
from cohort.errors import ModelError
from cohort.policy.load import load_policy, take_over
from cohort.policy.new import new_tokenizer
from cohort.policy.valued import valued_from
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from cohort.train.reference import frozen_copy
from proofs.architectures import EVERY, known_lines, refusal, row
from tests.policy import architectures
from tests.policy.architectures import PLAIN, REFUSED, TOLERANCE, TRAINED
from tests.tiny import PIECES, families, prompts

pytestmark = [
    pytest.mark.filterwarnings("ignore::RuntimeWarning:peft"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning"),  # GPT-BigCode's own
]

EVERY_TIME = (
    "Llama", "Mixtral", "GPT-OSS", "Gemma 3", "GPT-NeoX", "Granite", "Cohere", "Nemotron", "GPT-J",
    "LFM 2",
)  # fmt: skip
"""One of each kind of obstacle. The others are slow tests; `python -m proofs.architectures` has them all."""


def _some(names):
    slow = pytest.mark.slow
    return [name if name in EVERY_TIME else pytest.param(name, marks=slow) for name in names]


@pytest.mark.parametrize("name", _some(TRAINED))
def test_packed_rows_and_greedy_tokens_are_the_models_own(name):
    model = architectures.tiny(TRAINED[name])
    plain = copy.deepcopy(model)
    policy = take_over(model, new_tokenizer(PIECES))
    assert not policy.plain
    packed, gradient = architectures.against_plain_rows(policy, plain)
    assert packed < TOLERANCE
    assert gradient < TOLERANCE
    assert architectures.against_generate(policy, plain) == 1.0


@pytest.mark.parametrize("name", ["Gemma 2", "DeepSeek-V3"])
def test_all_columns_hold(name):
    assert architectures.figures(TRAINED[name]).held


@pytest.mark.parametrize("name", EVERY)
def test_the_table_has_every_architecture_and_a_figure_or_a_reason_in_every_cell(name):
    cells = _cells(known_lines()[name])
    assert all(cells)
    if name in REFUSED:
        assert REFUSED[name][2] in cells[1]
        return
    packed, gradient, greedy, saved, adapters = cells[2:]
    assert max(map(float, (packed, gradient))) < TOLERANCE
    assert (greedy, saved) == ("100%", "equal")
    assert re.search("[a-z]{3}", adapters) or float(adapters) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_the_table_is_what_is_found_anew_but_for_the_digits_of_its_figures(name):
    pytest.importorskip("peft")
    line, missed = refusal(name) if name in REFUSED else row(name)
    assert not missed
    assert _words(line) == _words(known_lines()[name])


def _cells(line):
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def _words(line):
    """A line's cells, small figures all the same: they differ by the machine."""
    return [re.sub(r"^(0|\d\.\de-\d\d)$", "small", cell) for cell in _cells(line)]


@pytest.mark.parametrize("name", _some(PLAIN))
def test_what_cannot_share_a_prompt_has_plain_rows_and_says_why(name):
    model = architectures.tiny(PLAIN[name])
    plain = copy.deepcopy(model)
    policy = take_over(model, new_tokenizer(PIECES))
    assert re.search("cannot share a prompt|in a packed row", policy.plain)
    packed, gradient = architectures.against_plain_rows(policy, plain)
    assert max(packed, gradient) < TOLERANCE
    assert architectures.against_generate(policy, plain) == 1.0


def test_samples_in_plain_rows_have_the_log_probabilities_of_training():
    policy = take_over(architectures.tiny(PLAIN["GPT-J"]), new_tokenizer(PIECES))
    (prompt,) = prompts([4])
    options = Sampling(rollouts_per_prompt=6, max_new_tokens=9, temperatures=(1.0, 0.7), slots=4)
    (group,) = sample(policy, [Request("a", prompt, (1,))], options)
    again = sample(policy, [Request("a", prompt, (1,))], replace(options, slots=6))[0]
    assert [one.tokens.tolist() for one in group] == [one.tokens.tolist() for one in again]
    for rollout in group:
        row = pack([Family(prompt, (Member(rollout.tokens, 0),))])
        trained, _ = policy.logprobs(row, temperature=rollout.temperature)
        np.testing.assert_allclose(trained.detach().numpy(), rollout.logprobs, rtol=0, atol=1e-5)
        assert rollout.stop == ("end" if rollout.tokens[-1] in policy.ends else "length")


def test_a_reference_of_a_policy_with_plain_rows_has_them_too():
    policy = take_over(architectures.tiny(PLAIN["BLOOM"]), new_tokenizer(PIECES))
    row = pack(families([(3, (5, 1, 9))]))
    assert torch.equal(frozen_copy(policy).logprobs(row)[0], policy.logprobs(row)[0])
    with pytest.raises(ModelError, match="shares prompts"):
        valued_from(policy, "token")


@pytest.mark.parametrize("name", ["Qwen3-MoE", "Mixtral"])
def test_the_balancing_loss_of_routers_is_left_out_and_the_routers_learn(name):
    options = TRAINED[name].options | {"output_router_logits": True, "router_aux_loss_coef": 100.0}
    asking = replace(TRAINED[name], options=options)
    gradients = []
    for architecture in (TRAINED[name], asking):
        policy = take_over(architectures.tiny(architecture), new_tokenizer(PIECES))
        policy.logprobs(pack(families([(3, (5, 1, 9))])))[0].sum().backward()
        gradients.append({n: p.grad for n, p in policy.model.named_parameters()})
    plain, asked = gradients
    assert all(torch.equal(plain[name], asked[name]) for name in plain)
    routers = [g for n, g in plain.items() if n.endswith(("mlp.gate.weight", "router.weight"))]
    assert routers
    assert all(gradient.abs().max() > 0 for gradient in routers)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_trained_is_refused_with_the_reason(name):
    with pytest.raises(ModelError, match=REFUSED[name][2]):
        take_over(architectures.refused(name), new_tokenizer(PIECES))


def test_an_encoder_decoder_is_refused_by_name():
    with tempfile.TemporaryDirectory() as name:
        sizes = {"d_model": 16, "d_ff": 16, "d_kv": 8, "num_layers": 1, "num_heads": 2}
        T5ForConditionalGeneration(T5Config(vocab_size=40, **sizes)).save_pretrained(name)
        new_tokenizer(PIECES).save_pretrained(name)
        with pytest.raises(ModelError, match="encoder-decoder"):
            load_policy(Model(path=str(Path(name))), vocabulary=[], seed=1)
