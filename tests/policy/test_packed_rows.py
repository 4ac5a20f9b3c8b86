"""Packed rows with shared prompts against the model's own forward pass, values and gradients."""

import copy

import pytest
import torch

from cohort.data.packing import cut, pack, pack_plain
from tests.tiny import ARCHITECTURES, families, gradients, plain_logprobs, tiny_policy

SHAPE = [(3, (5, 1, 9)), (11, (1, 1)), (1, (7, 2, 4, 12)), (6, (3,))]
"""Unequal prompts, a prompt of one token, rollouts of one token, a group of them, a single one."""


def _flat(row, values):
    out = torch.zeros(int(row.flat.max()) + 1)
    out[torch.from_numpy(row.flat)] = values
    return out


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("layout", [pack, pack_plain])
def test_logprobs_of_a_row_are_the_models_own(architecture, layout):
    policy, model = tiny_policy(architecture)
    asked = families(SHAPE)
    row = layout(asked)
    with torch.no_grad():
        got = _flat(row, policy.logprobs(row, temperature=1.3)[0])
        expected = torch.cat(
            [plain_logprobs(model, f.prompt, m.tokens, 1.3) for f in asked for m in f.members]
        )
    assert (got - expected).abs().max() < 1e-5


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gradients_of_a_packed_row_are_those_of_plain_rows(architecture):
    policy, model = tiny_policy(architecture)
    asked = families(SHAPE)
    row = pack(asked)
    coefficients = torch.randn(len(row.flat), generator=torch.Generator().manual_seed(1))
    packed, _ = policy.logprobs(row)
    (packed * coefficients[torch.from_numpy(row.flat)]).sum().backward()
    plain = torch.cat([plain_logprobs(model, f.prompt, m.tokens) for f in asked for m in f.members])
    (plain * coefficients).sum().backward()
    ours, theirs = gradients(policy.model).double(), gradients(model).double()
    assert torch.cosine_similarity(ours, theirs, dim=0) > 0.99999
    assert (ours - theirs).norm() / theirs.norm() < 1e-4


@pytest.mark.parametrize("budget", [1, 15, 40, 10_000])
def test_cutting_a_row_at_a_token_budget_does_not_change_the_gradient(budget):
    policy, _ = tiny_policy("qwen3")
    whole = copy.deepcopy(policy.model)
    asked = families(SHAPE)
    for piece in cut(asked, tokens_per_row=budget):
        policy.logprobs(pack(piece))[0].sum().backward()
    cut_gradient = gradients(policy.model)
    policy.model = whole
    policy.logprobs(pack(asked))[0].sum().backward()
    torch.testing.assert_close(cut_gradient, gradients(whole), rtol=1e-4, atol=1e-5)


def test_a_rollouts_logprobs_do_not_depend_on_its_neighbours():
    policy, _ = tiny_policy("llama")
    asked = families(SHAPE)
    with torch.no_grad():
        together = _flat(pack(asked), policy.logprobs(pack(asked))[0])
        for family in asked:
            row = pack([family])
            alone, _ = policy.logprobs(row)
            assert (alone - together[torch.from_numpy(row.flat)]).abs().max() < 1e-5
