"""What is expensive, small: random models of several architectures, a tokenizer, groups of rollouts."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)
from transformers.modeling_utils import PreTrainedModel

from cohort.data.packing import Family, Member
from cohort.data.records import Group, Problem, Rollout, Score
from cohort.policy.load import take_over
from cohort.policy.new import new_tokenizer
from cohort.policy.policy import Policy

VOCABULARY = 40
PIECES = [str(n) for n in range(VOCABULARY - 3)]
ENDS = [1, 5]

SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 12,
    "max_position_embeddings": 96,
    "initializer_range": 0.15,
    "bos_token_id": None,
    "eos_token_id": 1,
    "pad_token_id": 0,
}

ARCHITECTURES = ("llama", "qwen2", "qwen3", "mistral", "gpt2")
"""Grouped-query attention in the first four, a sliding window in the fourth, learned positions last."""


def tiny_model(architecture: str = "llama", seed: int = 0) -> PreTrainedModel:
    """A random model in evaluation mode, with transformers' own attention."""
    torch.manual_seed(seed)
    if architecture == "gpt2":
        config = GPT2Config(
            vocab_size=VOCABULARY, n_positions=96, n_embd=48, n_layer=2, n_head=4,
            initializer_range=0.15, bos_token_id=None, eos_token_id=1, pad_token_id=0,
        )  # fmt: skip
        model: PreTrainedModel = GPT2LMHeadModel(config)
    else:
        kinds = {
            "llama": (LlamaConfig, LlamaForCausalLM, {}),
            "qwen2": (Qwen2Config, Qwen2ForCausalLM, {}),
            "qwen3": (Qwen3Config, Qwen3ForCausalLM, {}),
            "mistral": (MistralConfig, MistralForCausalLM, {"sliding_window": 6}),
        }
        config_class, model_class, extra = kinds[architecture]
        model = model_class(config_class(**SHAPE, **extra))
    model.generation_config.eos_token_id = ENDS
    return model.eval()


def tiny_policy(architecture: str = "llama", seed: int = 0) -> tuple[Policy, PreTrainedModel]:
    """A policy, and a copy of its model that is not in Cohort's hands."""
    model = tiny_model(architecture, seed)
    plain = copy.deepcopy(model)
    return take_over(model, new_tokenizer(PIECES)), plain


def prompts(lengths: Sequence[int], seed: int = 0) -> list[np.ndarray]:
    """Random prompts of the given lengths."""
    draw = np.random.default_rng(seed)
    return [draw.integers(0, VOCABULARY, size=n).astype(np.int32) for n in lengths]


def families(shape: Sequence[tuple[int, Sequence[int]]], seed: int = 0) -> list[Family]:
    """Random families: for each (prompt length, answer lengths), offsets running on."""
    draw = np.random.default_rng(seed)
    made, offset = [], 0
    for prompt, answers in shape:
        members = []
        for length in answers:
            tokens = draw.integers(0, VOCABULARY, size=length).astype(np.int32)
            members.append(Member(tokens, offset))
            offset += length
        text = draw.integers(0, VOCABULARY, size=prompt).astype(np.int32)
        made.append(Family(text, tuple(members)))
    return made


def group(
    rewards: Sequence[float | None], lengths: Sequence[int] | None = None, seed: int = 0
) -> Group:
    """A scored group with random tokens; its answers have 3, 4, 5, ... tokens."""
    draw = np.random.default_rng(seed)
    lengths = lengths or range(3, 3 + len(rewards))
    rollouts = tuple(
        Rollout(
            tokens=draw.integers(0, VOCABULARY, size=n).astype(np.int32),
            logprobs=-draw.random(n).astype(np.float32),
            stop="end",
            text=f"answer {i}",
        )
        for i, n in enumerate(lengths)
    )
    return Group(
        problem=Problem(f"p{seed}", "1 2 3"),
        prompt_tokens=draw.integers(0, VOCABULARY, size=4 + seed % 3).astype(np.int32),
        rollouts=rollouts,
        scores=tuple(Score(r, {"f": r}) for r in rewards),
    )


def plain_logprobs(
    model: PreTrainedModel, prompt: np.ndarray, answer: np.ndarray, temperature: float = 1.0
) -> torch.Tensor:
    """The slow and obvious way: one row, full logits, a softmax over all of them."""
    row = torch.from_numpy(np.concatenate((prompt, answer)).astype(np.int64))[None]
    logits = model(input_ids=row, use_cache=False).logits[0] / temperature
    chosen = logits[len(prompt) - 1 : -1].log_softmax(-1)
    return chosen.gather(1, row[0, len(prompt) :, None])[:, 0]


def gradients(model: PreTrainedModel) -> torch.Tensor:
    """All gradients of a model as one vector."""
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
