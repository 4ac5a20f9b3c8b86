"""What the benchmarks train on: random models, prompts, a reward, and the workloads made of them.

A token is one character of an alphabet of 77; with a pad, an end and an unknown token the vocabulary
has 80. The model is a Qwen3 with random weights, and the end token's row of its head is zero, so that
an answer ends after each token with a chance of about 1/85 whatever stands before it: lengths are
geometric, cut at 128, with a mean of about 65. Nothing here measures anything.
"""

from __future__ import annotations

import string
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM
from transformers.utils import logging

from cohort.data.records import Problem
from cohort.policy.new import new_tokenizer

ALPHABET = string.ascii_letters + string.digits + string.punctuation[:15]
VOCABULARY = len(ALPHABET) + 3
MAX_NEW_TOKENS, ROLLOUTS_PER_PROMPT, LEARNING_RATE = 128, 8, 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The shape of a model; its heads have `hidden / heads` dimensions."""

    hidden: int
    feed_forward: int
    layers: int
    heads: int
    key_value_heads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One step's work. silent: every so many prompts, one has the same reward for all answers."""

    name: str
    size: Size
    prompts: int
    prompt_tokens: int
    silent_every: int = 0
    rollouts_per_prompt: int = ROLLOUTS_PER_PROMPT
    max_new_tokens: int = MAX_NEW_TOKENS

    @property
    def rollouts(self) -> int:
        """Answers in a step."""
        return self.prompts * self.rollouts_per_prompt


SMALL = Size(hidden=128, feed_forward=416, layers=4, heads=4, key_value_heads=2)
"""0.86 million parameters."""
MEDIUM = Size(hidden=384, feed_forward=1200, layers=6, heads=6, key_value_heads=2)
"""10.7 million parameters."""

_LONG = Workload(name="L", size=SMALL, prompts=8, prompt_tokens=306)
WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload(name="S", size=SMALL, prompts=8, prompt_tokens=6),
        _LONG,
        Workload(name="M", size=MEDIUM, prompts=4, prompt_tokens=206),
        replace(_LONG, name="D", silent_every=2),
    )
}
"""Short prompts, long prompts, a larger model, and long prompts of which half teach nothing."""


def tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer for which every character of the alphabet is a token."""
    return new_tokenizer(list(ALPHABET))


def new_model(size: Size, *, seed: int = 0, context: int = 512) -> Qwen3ForCausalLM:
    """A Qwen3 in float32 whose random weights are a function of the seed alone."""
    config = Qwen3Config(
        vocab_size=VOCABULARY, hidden_size=size.hidden, intermediate_size=size.feed_forward,
        num_hidden_layers=size.layers, num_attention_heads=size.heads,
        num_key_value_heads=size.key_value_heads, head_dim=size.hidden // size.heads,
        max_position_embeddings=context, tie_word_embeddings=False,
        bos_token_id=None, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(config)
    with torch.no_grad():
        model.lm_head.weight[config.eos_token_id] = 0.0
    return model.eval()


def save_model(size: Size, folder: Path, *, seed: int = 0) -> int:
    """Save a model where every side loads it from; how many parameters it has."""
    logging.disable_progress_bar()
    model = new_model(size, seed=seed)
    model.save_pretrained(folder)
    return int(model.num_parameters())


def load_model(folder: Path, dtype: torch.dtype) -> Qwen3ForCausalLM:
    """A saved model with weights of this type."""
    return Qwen3ForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="sdpa").eval()


def problems(workload: Workload, *, seed: int = 0) -> list[Problem]:
    """The prompts of every step, with the column `silent`."""
    draw = np.random.default_rng(seed)
    texts = [
        "".join(draw.choice(list(ALPHABET), workload.prompt_tokens))
        for _ in range(workload.prompts)
    ]
    every = workload.silent_every
    return [
        Problem(f"p{number}", text, {"silent": bool(every) and number % every == 0})
        for number, text in enumerate(texts)
    ]


def even_share(completion_ids: list[list[int]], silent: list[bool], **_: Any) -> list[float]:
    """The reward: the share of even tokens in an answer; 0 where the prompt is silent."""
    return [
        0.0 if quiet else sum(token % 2 == 0 for token in answer) / len(answer)
        for answer, quiet in zip(completion_ids, silent, strict=True)
    ]
