"""A GPU beside the CPU: the same answers, the same log-probabilities, the same gradient.

Run with `pytest -m gpu` on a machine with CUDA; CI has none.
"""

import copy

import numpy as np
import pytest
import torch

from cohort.data.packing import Family, Member, pack
from cohort.policy.load import take_over
from cohort.policy.new import new_tokenizer
from cohort.rollout.graphs import Recorded
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from tests.tiny import PIECES, SHAPE, families, gradients, prompts, tiny_model

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    pytest.mark.filterwarnings("ignore"),
]
LENGTHS = (3, 9, 1, 17, 5, 30, 2)
SHAPED = [(300, (150, 1, 40)), (128, (128,)), (5, (70, 3)), (57, (1,))]


@pytest.fixture(autouse=True, params=[12, 32])
def _head_width(request, monkeypatch):
    """Heads that FlexAttention does not take, and heads that it takes."""
    monkeypatch.setitem(SHAPE, "head_dim", request.param)


@pytest.fixture(autouse=True)
def _float32_is_float32():
    torch.backends.cuda.matmul.allow_tf32 = False


def pair(architecture, dtype=torch.float32):
    """The same weights on the CPU and on the GPU."""
    model = tiny_model(architecture)
    model.config.max_position_embeddings = 96
    there = copy.deepcopy(model).to("cuda", dtype)
    tokenizer = new_tokenizer(PIECES)
    return take_over(model, tokenizer), take_over(there, tokenizer)


def requests():
    return [Request(str(i), p, (1, "rollout", i)) for i, p in enumerate(prompts(LENGTHS))]


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3", "mistral", "gpt2"])
def test_answers_of_the_gpu_are_those_of_the_cpu(architecture):
    cpu, gpu = pair(architecture)
    asked = Sampling(rollouts_per_prompt=4, max_new_tokens=40, slots=12)
    for _ in range(2):  # the second time most steps are graphs
        for one, other in zip(
            sum(sample(gpu, requests(), asked), []),
            sum(sample(cpu, requests(), asked), []),
            strict=True,
        ):
            assert one.tokens.tolist() == other.tokens.tolist()
            assert np.abs(one.logprobs - other.logprobs).max() < 1e-4
    if architecture in ("llama", "qwen2", "qwen3"):
        assert gpu.kept[Recorded]._graphs, "nothing was recorded"


def test_greedy_answers_are_the_same_too():
    cpu, gpu = pair("qwen3")
    asked = Sampling(rollouts_per_prompt=2, max_new_tokens=40, greedy=True)
    ours, theirs = sample(gpu, requests(), asked), sample(cpu, requests(), asked)
    assert [r.tokens.tolist() for r in sum(ours, [])] == [
        r.tokens.tolist() for r in sum(theirs, [])
    ]


def test_graphs_read_the_weights_that_training_updates():
    cpu, gpu = pair("qwen2")
    asked = Sampling(rollouts_per_prompt=4, max_new_tokens=40)
    before = sample(gpu, requests(), asked)
    with torch.no_grad():
        for policy in (cpu, gpu):
            for parameter in policy.model.parameters():
                parameter.mul_(1.3)
    ours, theirs = sample(gpu, requests(), asked), sample(cpu, requests(), asked)
    assert [r.tokens.tolist() for r in sum(ours, [])] == [
        r.tokens.tolist() for r in sum(theirs, [])
    ]
    assert [r.tokens.tolist() for r in sum(ours, [])] != [
        r.tokens.tolist() for r in sum(before, [])
    ]


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "mistral", "gpt2"])
def test_the_gradient_of_the_gpu_is_that_of_the_cpu(architecture):
    model = tiny_model(architecture)
    made = families(SHAPED if architecture != "gpt2" else [(30, (20, 1)), (5, (40, 3))])
    if architecture != "gpt2":
        model.config.max_position_embeddings = 1024
    there = copy.deepcopy(model).to("cuda")
    cpu, gpu = (take_over(m, new_tokenizer(PIECES)) for m in (model, there))
    row = pack(made)
    found = []
    for policy in (cpu, gpu):
        logprobs, entropy = policy.logprobs(row)
        weights = torch.linspace(-1, 1, len(logprobs), device=policy.device)
        (logprobs @ weights + 0.1 * entropy.sum()).backward()
        found.append((logprobs.detach().cpu(), gradients(policy.model).cpu().double()))
    (one, ours), (other, theirs) = found
    torch.testing.assert_close(one, other, rtol=0, atol=1e-4)
    assert float(ours @ theirs / (ours.norm() * theirs.norm())) > 0.99999
    assert float((ours - theirs).norm() / theirs.norm()) < 1e-3


def test_bfloat16_samplers_and_trainers_log_probabilities_are_near():
    _, gpu = pair("qwen3", torch.bfloat16)
    asked = Sampling(rollouts_per_prompt=8, max_new_tokens=40)
    groups = sample(gpu, requests(), asked)
    gaps = []
    for request, group in zip(requests(), groups, strict=True):
        members = tuple(Member(rollout.tokens, 0) for rollout in group)
        with torch.no_grad():
            trained, _ = gpu.logprobs(pack([Family(request.prompt, members)]))
        sampled = np.concatenate([rollout.logprobs for rollout in group])
        gaps.append(np.abs(trained.cpu().numpy() - sampled))
    gap = np.concatenate(gaps)
    print(f"bfloat16: mean gap {gap.mean():.2e}, largest {gap.max():.2e}")
    assert gap.mean() < 0.02
