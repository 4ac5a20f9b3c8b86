"""The written-out trunk against the model's own modules, and what its joint weights must not break."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from cohort.config.stages import Optimizer
from cohort.data.packing import Family, Member, pack
from cohort.policy.elementwise import rms_norm, rotate
from cohort.policy.load import save_policy, take_over
from cohort.policy.new import new_tokenizer
from cohort.policy.policy import Policy
from cohort.policy.selective import gate_into
from cohort.policy.trunk import Joint, Trunk, trunk_of
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from cohort.train.optim import Updater
from tests.tiny import PIECES, SHAPE, families, gradients, prompts, tiny_model, tiny_policy

KNOWN = ("llama", "qwen2", "qwen3", "mistral")
ROW = pack(families([(3, (5, 1, 9)), (11, (1, 1)), (6, (3, 14))]))


def _logprobs_and_gradient(policy):
    policy.model.zero_grad()
    logprobs, _ = policy.logprobs(ROW)
    (logprobs * torch.linspace(-1, 1, len(logprobs))).sum().backward()
    return logprobs.detach(), gradients(policy.model)


@pytest.mark.parametrize("architecture", KNOWN)
def test_values_and_gradients_are_those_of_the_models_modules(architecture):
    policy, _ = tiny_policy(architecture)
    values, gradient = _logprobs_and_gradient(policy)
    assert policy._trunk is not None, "the written-out trunk was not used"
    policy._trunk = None
    expected, expected_gradient = _logprobs_and_gradient(policy)
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-5)
    assert (gradient - expected_gradient).norm() < 1e-5 * expected_gradient.norm()


@pytest.mark.parametrize("theta", [{"rope_theta": 500.0}, {"rope_type": "linear", "factor": 3.0}])
def test_other_rotations_are_the_models_own(theta):
    config = LlamaConfig(
        **SHAPE, rope_parameters={"rope_type": "default", "rope_theta": 1e4} | theta
    )
    torch.manual_seed(0)
    policy = take_over(LlamaForCausalLM(config).eval(), new_tokenizer(PIECES))
    assert policy._trunk is not None
    values, _ = policy.logprobs(ROW)
    policy._trunk = None
    expected, _ = policy.logprobs(ROW)
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-5)


def test_a_shorter_row_in_another_thread_does_not_take_a_longer_rows_rotations_away():
    policy, _ = tiny_policy("qwen3")
    trunk = policy._trunk
    assert trunk is not None
    short = trunk._tables_to(3, torch.device("cpu"))

    class Raced(Trunk):
        """Right after tables are kept, another thread keeps shorter ones."""

        @property
        def _tables(self):
            return short

        @_tables.setter
        def _tables(self, longer):
            pass

    trunk.__class__ = Raced
    cosine, sine = trunk._tables_to(12, torch.device("cpu"))
    assert len(cosine) == len(sine) == 12


def test_what_is_not_known_runs_through_the_models_own_modules():
    assert tiny_policy("gpt2")[0]._trunk is None
    biased = LlamaForCausalLM(LlamaConfig(**SHAPE, attention_bias=True))
    assert trunk_of(biased) is None, "its output layer has a bias"
    relu = LlamaForCausalLM(LlamaConfig(**SHAPE, hidden_act="relu"))
    assert trunk_of(relu) is None

    class Adapted(nn.Linear):
        pass

    adapted = tiny_model("llama")
    layer = adapted.model.layers[1].self_attn
    layer.q_proj = Adapted(layer.q_proj.in_features, layer.q_proj.out_features, bias=False)
    assert trunk_of(adapted) is None, "a linear layer that may do more than a linear layer"


def test_a_model_of_two_types_runs_through_its_own_modules():
    mixed = tiny_model("llama")
    mixed.model.norm.to(torch.bfloat16)
    assert trunk_of(mixed) is None


def test_weights_that_were_moved_behind_the_policys_back_are_noticed():
    policy, _ = tiny_policy("llama")
    policy.model.to(torch.bfloat16)
    with pytest.raises(AssertionError, match="the model's weights were moved"):
        policy.logprobs(ROW)
    policy.model = policy.model
    policy.logprobs(ROW)


def test_a_qwen2_whose_configuration_names_no_head_width_samples():
    shape = {name: value for name, value in SHAPE.items() if name != "head_dim"}
    torch.manual_seed(0)
    policy = take_over(Qwen2ForCausalLM(Qwen2Config(**shape)).eval(), new_tokenizer(PIECES))
    options = Sampling(rollouts_per_prompt=2, max_new_tokens=5)
    (group,) = sample(policy, [Request("a", *prompts([4]), (1,))], options)
    assert len(group) == 2


def test_joint_weights_are_the_parameters_memory_and_are_found_again():
    layers = [nn.Linear(6, rows, bias=rows == 2) for rows in (4, 2, 3)]
    before = [layer.weight.detach().clone() for layer in layers]
    joint = Joint(layers)
    assert torch.equal(joint.joined.plain, torch.cat(before))
    with torch.no_grad():
        layers[1].weight.mul_(2.0)
    assert torch.equal(joint.joined.plain[4:6], 2 * before[1])
    again = Joint(layers)
    assert again.joined.plain.data_ptr() == joint.joined.plain.data_ptr(), (
        "a second look copied the weights"
    )


def test_a_copy_of_a_policy_has_weights_of_its_own():
    policy, _ = tiny_policy("qwen2")
    twin = Policy(copy.deepcopy(policy.model), policy.tokenizer)
    before, _ = twin.logprobs(ROW)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter.mul_(1.5)
    assert torch.equal(twin.logprobs(ROW)[0], before)
    assert not torch.equal(policy.logprobs(ROW)[0], before)


def test_an_optimizers_update_is_seen_and_saved(tmp_path):
    policy, _ = tiny_policy("llama")
    updater = Updater(policy, Optimizer(learning_rate=0.05), updates=1)
    before, _ = policy.logprobs(ROW)
    updater.add_gradient([ROW], lambda row: (-policy.logprobs(row)[0].mean(), None))
    updater.update()
    after, _ = policy.logprobs(ROW)
    assert after.mean() > before.mean()
    save_policy(policy, tmp_path)
    loaded = take_over(AutoModelForCausalLM.from_pretrained(tmp_path), new_tokenizer(PIECES))
    assert torch.equal(loaded.logprobs(ROW)[0], after)


def test_sampling_first_does_not_spoil_training():
    policy, _ = tiny_policy("qwen3")
    (prompt,) = prompts([5])
    sample(policy, [Request("a", prompt, (1,))], Sampling(rollouts_per_prompt=2, max_new_tokens=9))
    fresh, _ = tiny_policy("qwen3")
    for one, other in zip(
        _logprobs_and_gradient(policy), _logprobs_and_gradient(fresh), strict=True
    ):
        assert torch.equal(one, other)


def _numeric(function, *inputs):
    leaves = [x.requires_grad_() for x in inputs]
    assert torch.autograd.gradcheck(function, leaves)


def test_own_gradients_are_the_numeric_ones():
    torch.manual_seed(0)
    x, weight = torch.randn(3, 2, 8, dtype=torch.float64), torch.randn(8, dtype=torch.float64)
    angle = torch.randn(3, 1, 4, dtype=torch.float64)
    cosine = torch.cat((angle.cos(), angle.cos()), -1)
    sine = torch.cat((-angle.sin(), angle.sin()), -1)
    _numeric(lambda a, w: rms_norm(a, w, 1e-6), x.clone(), weight)
    _numeric(lambda a: rotate(a, cosine, sine), x.clone())


@pytest.mark.parametrize("biased", [False, True])
def test_what_is_computed_again_has_the_numeric_gradient(biased):
    torch.manual_seed(0)
    x, norm, wide = (torch.randn(*shape, dtype=torch.float64) for shape in ((5, 4), (4,), (5, 6)))
    joint = Joint([nn.Linear(4, rows, bias=biased, dtype=torch.float64) for rows in (2, 3)])
    _numeric(lambda a, w, *_: joint.after_norm(a, w, 1e-6), x, norm, *joint.weights, *joint.biases)
    _numeric(gate_into, x.clone(), wide, torch.randn(4, 3, dtype=torch.float64))


def test_norms_and_gates_are_not_kept_for_the_gradient():
    policy, _ = tiny_policy("llama")
    kept: list[tuple[int, ...]] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.shape) or x, lambda x: x):
        policy.logprobs(ROW)
    config, tokens = policy.model.config, len(ROW.tokens)
    assert kept.count((tokens, 2 * config.intermediate_size)) == config.num_hidden_layers
    assert (tokens, config.intermediate_size) not in kept
    # The input of both norms of a layer and of the last one, and what the output projection reads.
    assert kept.count((tokens, config.hidden_size)) <= 3 * config.num_hidden_layers + 2


@pytest.mark.parametrize("architecture", KNOWN)
def test_bfloat16_stays_within_its_rounding(architecture):
    """Of log-probabilities near -3.7: 2 ** -8 of the largest logit, some times over the layers."""
    exact, _ = tiny_policy(architecture)
    expected, _ = exact.logprobs(ROW)
    model = tiny_model(architecture).to(torch.bfloat16)
    policy = take_over(model, new_tokenizer(PIECES))
    got, _ = policy.logprobs(ROW)
    assert (got - expected).abs().mean() < 0.03
    assert (got - expected).abs().max() < 0.25
    groups = sample(
        policy,
        [Request("a", p, (1, i)) for i, p in enumerate(prompts([3, 9]))],
        Sampling(rollouts_per_prompt=4, max_new_tokens=12),
    )
    for prompt, group in zip(prompts([3, 9]), groups, strict=True):
        members = tuple(Member(rollout.tokens, 0) for rollout in group)
        trained, _ = policy.logprobs(pack([Family(prompt, members)]))
        sampled = np.concatenate([rollout.logprobs for rollout in group])
        assert np.abs(trained.detach().numpy() - sampled).mean() < 0.03
