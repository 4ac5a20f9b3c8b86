"""The step on which TRL and Cohort are compared: a tiny model, two prompts, four answers to each.

The model is saved as the reference, moved to be the policy that sampled, and moved on to be the
policy that learns. The answers are drawn once, and given to TRL by a `rollout_func`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import OPTConfig, OPTForCausalLM

from cohort.objective.entropy import entropy
from tests.parity.composition import Step

PROMPTS = ("3 4 5", "6 7 8 9 3")
LENGTHS = (5, 7, 2, 6, 1, 8, 4, 7)
REWARDS = (1.0, 0.0, 0.5, 0.0, 0.25, 1.0, 0.0, 1.0)
OTHERS_TOKENS = {1: (2, 3), 5: (4,), 7: (0, 5)}
"""By answer, the places of tokens that the policy did not write: a tool's output, say."""
MEMBERS = 4
SHAPE = {
    "vocab_size": 23, "hidden_size": 16, "word_embed_proj_dim": 16, "ffn_dim": 24,
    "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 64,
    "init_std": 0.25, "dropout": 0.0, "tie_word_embeddings": False,
    "bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0,
}  # fmt: skip
OLD, NEW, SAMPLER = (11, 0.04), (74, 0.06), (13, 0.02)
"""How far the weights of a policy are from those before it: a seed, and a standard deviation."""

Inputs = dict[str, Any]


def tiny_model(folder: Path) -> OPTForCausalLM:
    """A model of four thousand weights in float64, loaded from the folder it was saved in."""
    if not (folder / "config.json").exists():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            OPTForCausalLM(OPTConfig(**SHAPE)).double().save_pretrained(folder)
    return OPTForCausalLM.from_pretrained(folder, dtype=torch.float64)


@torch.no_grad()
def move(model: torch.nn.Module, step: tuple[int, float]) -> None:
    """Adds noise to all weights."""
    seed, size = step
    draw = torch.Generator().manual_seed(seed)
    for weight in model.parameters():
        weight.add_(size * torch.randn(weight.shape, generator=draw, dtype=weight.dtype))


def given_rewards(prompts: list[str], **_: object) -> list[float]:
    return list(REWARDS)


def given_rollouts(sampler_folder: Path | None) -> Callable[..., Inputs]:
    """TRL's `rollout_func`, with the log-probabilities of another sampler if there is one."""

    def rollouts(prompts: list[str], trainer: Any) -> Inputs:
        asked, answered = trainer.processing_class(prompts).input_ids, answers()
        logprobs = None
        if sampler_folder is not None:
            sampler = tiny_model(sampler_folder)
            move(sampler, OLD)
            move(sampler, SAMPLER)
            pairs = zip(asked, answered, strict=True)
            logprobs = [logprobs_and_entropies(sampler, *pair)[0].tolist() for pair in pairs]
        given = {"prompt_ids": asked, "completion_ids": answered, "logprobs": logprobs}
        return {**given, "env_mask": own_tokens()}

    return rollouts


def own_tokens() -> list[list[int]]:
    """1 for the tokens of each answer that the policy wrote."""
    others = [OTHERS_TOKENS.get(index, ()) for index in range(len(LENGTHS))]
    return [
        [int(place not in theirs) for place in range(length)]
        for length, theirs in zip(LENGTHS, others, strict=True)
    ]


def answers() -> list[list[int]]:
    """The tokens of each answer."""
    draw = torch.Generator().manual_seed(5)
    return [torch.randint(3, 23, (n,), generator=draw).tolist() for n in LENGTHS]


def logprobs_and_entropies(
    model: OPTForCausalLM, prompt: list[int], answer: list[int]
) -> tuple[Tensor, Tensor]:
    """The slow and obvious way: one row, no padding, full logits, float64."""
    row = torch.tensor([prompt + answer])
    logits = model(input_ids=row, use_cache=False).logits[0, len(prompt) - 1 : -1]
    chosen = logits.log_softmax(-1).gather(1, row[0, len(prompt) :, None])[:, 0]
    return chosen, entropy(logits).detach()


def step_of(model: OPTForCausalLM, inputs: Inputs) -> Step:
    """The policy's own tokens, flat: new log-probabilities of the model, all others of TRL."""
    own = (inputs["completion_mask"] * inputs["tool_mask"]).bool()
    computed = [row_of(model, inputs, index) for index in range(len(own))]
    new, entropies = (torch.cat(values) for values in zip(*computed, strict=True))
    known = ("old_per_token_logps", "ref_per_token_logps", "sampling_per_token_logps")
    absent = torch.zeros_like(new)
    others = [inputs[key][own].double() if key in inputs else absent for key in known]
    rollout = torch.arange(len(own)).repeat_interleave(own.sum(1))
    group = torch.arange(len(own)) // MEMBERS
    return Step(new, *others, entropies, rollout, inputs["advantages"].double(), group)


def row_of(model: OPTForCausalLM, inputs: Inputs, index: int) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies of the tokens that the policy wrote in one answer."""
    kept = inputs["completion_mask"][index].bool()
    own = inputs["tool_mask"][index][kept].bool()
    prompt = inputs["prompt_ids"][index][inputs["prompt_mask"][index].bool()].tolist()
    answer = inputs["completion_ids"][index][kept].tolist()
    logprobs, entropies = logprobs_and_entropies(model, prompt, answer)
    return logprobs[own], entropies[own]
