"""A model without its weights: what its configuration says, as torch's `meta` tensors, which take no memory.

From it come the sizes that a plan of the memory is made of, for a model that may be larger than the machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM
from transformers.modeling_utils import PreTrainedModel

from cohort.config.recipe import Model
from cohort.policy.adapters import adapt
from cohort.policy.load import find_end
from cohort.policy.new import new_model, new_tokenizer
from cohort.policy.policy import Policy, embeddings
from cohort.policy.pretrained import by_library, described

EXPERTS = ".experts."
"""In the names of weights of which a token meets only a share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """A model's: counts of numbers."""

    parameters: int
    trained: int
    met: int
    """Those that a token meets: not the input embeddings, nor the experts that it is not sent to."""
    shapes: tuple[tuple[tuple[int, ...], bool], ...]
    """Of what is trained: shapes, and whether they are matrices between the embeddings and the head."""
    layers: int
    hidden: int
    feed_forward: int
    query_heads: int
    key_heads: int
    width: int
    vocabulary: int
    number_bytes: int
    written_out: bool
    """Its layers are Cohort's own, which keep less for their gradient."""
    adapter_width: int = 0
    """The ranks of a layer's adapters, added up."""
    head_is_trained: bool = True
    head_is_tied: bool = False
    """The head is the embeddings."""

    @property
    def largest(self) -> int:
        """Numbers of the largest tensor that is trained."""
        return max(math.prod(shape) for shape, _ in self.shapes)


def outline(options: Model, *, vocabulary: list[str]) -> Policy:
    """The policy that a recipe begins with, without weights: it has a tokenizer and computes nothing.

    Raises ModelError for what `load_policy` would refuse before it reads weights.
    """
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        if options.new is not None:
            tokenizer: Any = new_tokenizer(vocabulary)
            model = new_model(options.new, tokenizer, 0)
        else:
            config, tokenizer = described(options.path)
            model = by_library(
                options.path,
                lambda: AutoModelForCausalLM.from_config(config, trust_remote_code=False),
            )
        if options.lora is not None:
            adapt(model, options.lora, seed=0)
        model = model.to(getattr(torch, options.dtype))
        find_end(model, tokenizer)
        return Policy(model, tokenizer)


def sizes_of(policy: Policy) -> Sizes:
    """The sizes of a policy's model."""
    model = policy.model
    config = model.config.get_text_config()
    trained = [p for p in model.parameters() if p.requires_grad]
    between = hidden_matrices(model)
    heads = int(config.num_attention_heads)
    layers = int(config.num_hidden_layers)
    ranks = sum(p.shape[0] for name, p in model.named_parameters() if ".lora_A." in name)
    return Sizes(
        parameters=sum(p.numel() for p in model.parameters()),
        trained=sum(p.numel() for p in trained),
        met=_met(model, config),
        shapes=tuple((tuple(p.shape), id(p) in between) for p in trained),
        layers=layers,
        hidden=int(config.hidden_size),
        feed_forward=_feed_forward(config),
        query_heads=heads,
        key_heads=int(getattr(config, "num_key_value_heads", None) or heads),
        width=_width(config, heads),
        vocabulary=policy.vocabulary,
        number_bytes=torch.finfo(model.dtype).bits // 8,
        written_out=policy.written_out,
        adapter_width=ranks // layers,
        head_is_trained=policy.head[0].requires_grad,
        head_is_tied=model.get_output_embeddings().weight is embeddings(model),
    )


def hidden_matrices(model: nn.Module) -> set[int]:
    """The ids of a model's matrices between its embeddings and its head."""
    head = getattr(model, "get_output_embeddings", lambda: None)()
    outer = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    outer += [] if head is None else [head]
    apart = {id(parameter) for module in outer for parameter in module.parameters()}
    return {id(p) for p in model.parameters() if p.ndim == 2} - apart


def _width(config: Any, heads: int) -> int:
    """Of a head's keys and values, the wider of them."""
    latent = getattr(config, "qk_nope_head_dim", None)
    if latent:
        return max(int(latent) + int(config.qk_rope_head_dim), int(config.v_head_dim))
    return int(getattr(config, "head_dim", None) or config.hidden_size // heads)


def _experts(config: Any) -> tuple[int, int]:
    """How many experts there are, and how many a token is sent to; 0 and 0 without."""
    names = ("num_local_experts", "num_experts", "n_routed_experts")
    count = next((getattr(config, n) for n in names if getattr(config, n, None)), 0)
    return (int(count), int(getattr(config, "num_experts_per_tok", None) or 1)) if count else (0, 0)


def _feed_forward(config: Any) -> int:
    """The width of the feed-forward layers that a token goes through."""
    inner = getattr(config, "intermediate_size", None) or getattr(config, "n_inner", None)
    plain = int(inner or getattr(config, "ffn_dim", None) or 4 * config.hidden_size)
    count, sent = _experts(config)
    if not count:
        return plain
    own = int(getattr(config, "moe_intermediate_size", None) or plain)
    shared = int(getattr(config, "n_shared_experts", None) or 0)
    return max(plain if getattr(config, "first_k_dense_replace", 0) else 0, own * (sent + shared))


def _met(model: PreTrainedModel, config: Any) -> int:
    count, sent = _experts(config)
    share = sent / count if count else 1.0
    inputs, head = embeddings(model), model.get_output_embeddings().weight
    total = sum(
        p.numel() * (share if EXPERTS in name else 1.0) for name, p in model.named_parameters()
    )
    return int(total) - (0 if head is inputs else inputs.numel())
