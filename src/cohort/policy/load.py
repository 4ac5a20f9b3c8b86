"""Loading a policy from a Hugging Face folder or hub name, and saving it as one.

Refused before anything is trained: a folder without a model, a tokenizer without an end or larger
than the model, and what is no causal language model. An architecture whose log-probabilities in packed
rows differ from those of its own forward pass, or whose layers carry a state, has plain rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel
from transformers.utils import logging

from cohort.config.recipe import Model
from cohort.errors import ModelError
from cohort.policy import attention
from cohort.policy.adapters import (
    adapt,
    check_adaptable,
    is_adapted,
    merged,
    save_adapters,
    saved_weights,
)
from cohort.policy.new import new_model, new_tokenizer
from cohort.policy.plain_json import shown
from cohort.policy.policy import SHORTEST, Policy, embeddings, vocabulary_of
from cohort.policy.pretrained import by_library, pretrained, settle
from cohort.policy.probe import probe
from cohort.policy.quantized import quantize
from cohort.policy.speech import end_with, tell_template, thoughts_of

SHAREABLE = ("full_attention", "sliding_attention")
"""Layer types that can share a prompt between answers; others carry a state along the row, or attend to
chunks of it."""

OWN = "eager"
"""Of transformers' kinds of attention the one in which every model does all that it does."""

TRIED_TOKENS = 512
"""Byte-level vocabularies begin with 256 single bytes, not all of them text alone."""


def load_policy(options: Model, *, vocabulary: list[str], seed: int) -> Policy:
    """The policy a recipe begins with; `vocabulary` is used for `[model.new]` only."""
    if options.new is not None:
        tokenizer = new_tokenizer(vocabulary)
        model = new_model(options.new, tokenizer, seed)
    else:
        model, tokenizer = pretrained(options.path)
    if options.lora is not None:
        check_adaptable(options)
        if options.lora.quantized != "none":
            quantize(model.to(getattr(torch, options.dtype)))
        adapt(model, options.lora, seed=seed)
    model = model.to(getattr(torch, options.dtype))
    end_with(model, tokenizer, options.ends)
    tell_template(tokenizer, options.template_variables)
    policy = take_over(model, tokenizer, made_here=options.new is not None)
    policy.thoughts = thoughts_of(tokenizer, options.thinking)
    if options.recompute:
        policy.recompute()
    policy.saved_merged = options.lora is not None and (options.lora.merge or policy.made_here)
    return policy


def take_over(model: PreTrainedModel, tokenizer: Any, *, made_here: bool = False) -> Policy:
    """Put a loaded model into Cohort's hands, after checking that it can be trained as it is."""
    by_library(tokenizer.name_or_path, lambda: _check_tokenizer(model, tokenizer))
    settle(model)
    model.eval()  # dropout off: the policy that is trained is the one that samples
    _attend(model, OWN)
    expected = probe(model, vocabulary_of(model, tokenizer))
    expected.check_causal(model)
    attention.install()
    reason = _unshareable(model)
    if not reason:
        _attend(model, attention.NAME)
        policy = Policy(model, tokenizer, made_here=made_here)
        try:
            expected.compare(policy)
        except ModelError as error:
            reason = error.message
            _attend(model, OWN)
    if reason:
        policy = Policy(model, tokenizer, made_here=made_here, plain=reason)
        expected.compare(policy)
    _check_template(policy)
    return policy


def save_policy(policy: Policy, folder: Path) -> None:
    """An ordinary Hugging Face folder that AutoModelForCausalLM and AutoTokenizer load, or an adapter
    folder that peft loads."""
    logging.disable_progress_bar()
    if is_adapted(policy.model) and not policy.saved_merged:
        save_adapters(policy.model, folder)
        policy.model.generation_config.save_pretrained(folder)
    else:
        whole(policy).save_pretrained(folder)
    policy.tokenizer.save_pretrained(folder)


def whole(policy: Policy) -> PreTrainedModel:
    """The policy's model, adapters added to its weights."""
    return merged(policy.model) if is_adapted(policy.model) else policy.model


def saved_tensors(policy: Policy) -> dict[str, Tensor]:
    """What `save_policy` writes, under the same names."""
    if is_adapted(policy.model) and not policy.saved_merged:
        return saved_weights(policy.model)
    return dict(whole(policy).state_dict())


def _attend(model: PreTrainedModel, how: str) -> None:
    if model.config._attn_implementation != how:
        model.set_attn_implementation(how)


def _unshareable(model: PreTrainedModel) -> str:
    """Why answers cannot share the prompt that they stand behind in a model's layers; empty for no reason.

    Raises ModelError for a model that has no decoder to be found.
    """
    name = type(model).__name__
    if model.base_model is model:
        raise ModelError(f"{name} has no decoder below its head to be found")
    if getattr(model.config, "rescale_every", 0):
        raise ModelError(
            f"{name} rescales its own weights while it is evaluated",
            'set "rescale_every" to 0 in its config.json',
        )
    kinds = getattr(model.config.get_text_config(), "layer_types", None) or ()
    odd = next((kind for kind in kinds if kind not in SHAREABLE), "")
    if odd or getattr(model, "_is_stateful", False):
        return f"{name} has {odd or 'recurrent'} layers, which cannot share a prompt"
    return ""


def _check_tokenizer(model: PreTrainedModel, tokenizer: Any) -> None:
    rows = embeddings(model).shape[0]
    if len(tokenizer) > rows:
        raise ModelError(
            f"the tokenizer has {len(tokenizer)} tokens and the model {rows} embeddings",
            "use the tokenizer that belongs to the model, or resize its embeddings",
        )
    highest = max(tokenizer.get_vocab().values(), default=-1)
    if not 0 <= highest < rows:
        raise ModelError(
            f"the tokenizer's highest id is {highest} and the model has {rows} embeddings",
            "use the tokenizer that belongs to the model",
        )
    find_end(model, tokenizer)
    _check_round_trip(tokenizer)


def find_end(model: PreTrainedModel, tokenizer: Any) -> None:
    """That an answer can end: where the tokenizer names no such token, the model's own may do."""
    if tokenizer.eos_token_id is not None:
        return
    named = getattr(model.generation_config, "eos_token_id", None)
    named = model.config.get_text_config().eos_token_id if named is None else named
    first = named[0] if isinstance(named, list) and named else named
    token = tokenizer.convert_ids_to_tokens(first) if isinstance(first, int) else None
    if not isinstance(token, str):
        raise ModelError(
            "the tokenizer has no end-of-sequence token: no answer could ever end",
            'add "eos_token" to tokenizer_config.json',
        )
    tokenizer.eos_token = token


def _check_round_trip(tokenizer: Any) -> None:
    """That some of the first tokens are text, and that this text has tokens."""
    special = set(tokenizer.all_special_ids)
    ids = [n for n in sorted(tokenizer.get_vocab().values()) if n not in special][:TRIED_TOKENS]
    text = tokenizer.decode(ids, skip_special_tokens=True)
    if not text.strip() or not tokenizer(text)["input_ids"]:
        raise ModelError(
            f"the tokenizer does not read what it writes: its first {len(ids)} tokens are "
            f"{shown(text)}, and that text has no tokens",
            "use the tokenizer that belongs to the model",
        )


def _check_template(policy: Policy) -> None:
    """That a chat template, where there is one, renders the shortest chat."""
    if getattr(policy.tokenizer, "chat_template", None):
        policy.chats.text(SHORTEST, "one turn of a user")
