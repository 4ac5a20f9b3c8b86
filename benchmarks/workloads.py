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
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)
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
    vocabulary: int = VOCABULARY


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One step's work. silent: every so many prompts, one has the same reward for all answers."""

    name: str
    size: Size
    prompts: int
    prompt_tokens: int
    silent_every: int = 0
    learning_rate: float = LEARNING_RATE
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

HALF = Size(
    hidden=896, feed_forward=4864, layers=24, heads=14, key_value_heads=2, vocabulary=151_936
)
"""Qwen2.5-0.5B."""
ONE_AND_A_HALF = Size(
    hidden=1536, feed_forward=8960, layers=28, heads=12, key_value_heads=2, vocabulary=151_936
)
"""Qwen2.5-1.5B."""

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
_GPU = Workload(
    name="0.5B", size=HALF, prompts=16, prompt_tokens=306, max_new_tokens=256, learning_rate=1e-10
)
GPU_WORKLOADS = {
    workload.name: workload
    for workload in (_GPU, replace(_GPU, name="1.5B", size=ONE_AND_A_HALF))
}
"""For a GPU: random models of the shapes of Qwen2.5, 128 answers a step. The learning rate changes
nothing: at 1e-6 four updates of so many weights double the lengths of float32 masters, and bfloat16
weights, which such updates leave as they are, would have less to do."""
ALL = WORKLOADS | GPU_WORKLOADS


def tokenizer(vocabulary: int = VOCABULARY) -> PreTrainedTokenizerFast:
    """A tokenizer for which every character of the alphabet is a token; the rest are never read."""
    if vocabulary == VOCABULARY:
        return new_tokenizer(list(ALPHABET))
    pieces = ["<pad>", "<end>", "<unknown>", *ALPHABET]
    pieces += [f"<{number}>" for number in range(len(pieces), vocabulary)]
    words = {piece: number for number, piece in enumerate(pieces)}
    made = Tokenizer(models.WordLevel(words, unk_token="<unknown>"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex("."), behavior="isolated")
    made.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="<end>", unk_token="<unknown>",
        clean_up_tokenization_spaces=False,
    )  # fmt: skip


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


def new_large_model(size: Size, *, seed: int = 0, context: int = 1024) -> Qwen2ForCausalLM:
    """A Qwen2 with tied embeddings in bfloat16 that ends after each token with a chance of about 1/128.

    A shared coordinate of the embeddings gives hidden states a part that hardly changes; the end
    token's row answers to that part alone, with the logit that the chance asks for.
    """
    config = Qwen2Config(
        vocab_size=size.vocabulary, hidden_size=size.hidden, intermediate_size=size.feed_forward,
        num_hidden_layers=size.layers, num_attention_heads=size.heads,
        num_key_value_heads=size.key_value_heads, max_position_embeddings=context,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6}, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(seed)
        model = Qwen2ForCausalLM(config).to(torch.bfloat16).eval()
    rows = model.get_input_embeddings().weight
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0.0, 0.02)
        rows[:, 0] = 0.2
        probe = torch.randint(3, VOCABULARY, (4, 128), device=device)
        hidden = model.model(probe).last_hidden_state.float()
        logits = hidden.view(-1, size.hidden) @ rows.float().T
        wanted = torch.logsumexp(logits, -1).mean() - np.log(127.0)
        rows[1] = 0.0
        rows[1, 0] = wanted / hidden[..., 0].mean()
    return model


def save_model(size: Size, folder: Path, *, seed: int = 0) -> int:
    """Save a model where every side loads it from; how many parameters it has."""
    logging.disable_progress_bar()
    make = new_model if size.vocabulary == VOCABULARY else new_large_model
    model = make(size, seed=seed)
    model.save_pretrained(folder)
    return int(model.num_parameters())


def load_model(folder: Path, dtype: torch.dtype, device: str = "cpu") -> PreTrainedModel:
    """A saved model with weights of this type."""
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, attn_implementation="sdpa", device_map=None
    )
    return model.to(device).eval()


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
