"""Loading a policy from a Hugging Face folder or hub name, and saving it as one.

Refused before anything is trained: a folder without a model, a tokenizer without an end or larger
than the model, layers that cannot share a prompt, and any architecture whose log-probabilities
in Cohort's rows differ from those of its own forward pass.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.modeling_utils import PreTrainedModel
from transformers.utils import logging

from cohort.config.recipe import Model
from cohort.errors import ModelError
from cohort.policy import attention
from cohort.policy.new import new_model, new_tokenizer
from cohort.policy.policy import Policy, embeddings
from cohort.policy.probe import probe

UNSHAREABLE = ("linear_attention", "mamba", "recurrent", "conv")
"""Layer types that carry a state along the row, and so cannot share a prompt between answers."""


def load_policy(options: Model, *, vocabulary: list[str], seed: int) -> Policy:
    """The policy a recipe begins with; `vocabulary` is used for `[model.new]` only."""
    if options.new is not None:
        tokenizer = new_tokenizer(vocabulary)
        model = new_model(options.new, tokenizer, seed)
    else:
        model, tokenizer = _from_folder(options.path)
    model = model.to(getattr(torch, options.dtype))
    return take_over(model, tokenizer, made_here=options.new is not None)


def take_over(model: PreTrainedModel, tokenizer: Any, *, made_here: bool = False) -> Policy:
    """Put a loaded model into Cohort's hands, after checking that it can be trained as it is."""
    _check_tokenizer(model, tokenizer)
    unshareable = [t for t in getattr(model.config, "layer_types", None) or () if t in UNSHAREABLE]
    if unshareable:
        raise ModelError(
            f"{type(model).__name__} has {unshareable[0]} layers, which cannot share a prompt",
            "use a model whose layers are attention layers",
        )
    expected = probe(model)
    attention.install()
    model.set_attn_implementation(attention.NAME)
    model.eval()  # dropout off: the policy that is trained is the one that samples
    policy = Policy(model, tokenizer, made_here=made_here)
    expected.compare(policy)
    return policy


def save_policy(policy: Policy, folder: Path) -> None:
    """An ordinary Hugging Face folder that AutoModelForCausalLM and AutoTokenizer load."""
    logging.disable_progress_bar()
    policy.model.save_pretrained(folder)
    policy.tokenizer.save_pretrained(folder)


def _from_folder(path: str) -> tuple[PreTrainedModel, Any]:
    folder = Path(path)
    if not folder.exists() and (path.startswith((".", "/", "~")) or path.count("/") != 1):
        raise ModelError(f"there is no model folder {path!r}", "give a folder or a hub name")
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise ModelError(f"the folder {path!r} holds no config.json", "a model folder has one")
    logging.disable_progress_bar()
    logging.set_verbosity_error()  # what matters is checked here, and said in our own words
    try:
        tokenizer = AutoTokenizer.from_pretrained(path)
        model = AutoModelForCausalLM.from_pretrained(path, attn_implementation="sdpa")
    except (OSError, ValueError, KeyError, json.JSONDecodeError) as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise ModelError(
            f"the model {path!r} cannot be loaded: {reason}",
            "give a folder with config.json, weights and tokenizer, or a name on the hub",
        ) from error
    return model, tokenizer


def _check_tokenizer(model: PreTrainedModel, tokenizer: Any) -> None:
    rows = embeddings(model).shape[0]
    if len(tokenizer) > rows:
        raise ModelError(
            f"the tokenizer has {len(tokenizer)} tokens and the model {rows} embeddings",
            "use the tokenizer that belongs to the model, or resize its embeddings",
        )
    if tokenizer.eos_token_id is None:
        raise ModelError(
            "the tokenizer has no end-of-sequence token: no answer could ever end",
            'add "eos_token" to tokenizer_config.json',
        )
    if tokenizer.pad_token_id is None:
        raise ModelError(
            "the tokenizer has no pad token",
            'add "pad_token" to tokenizer_config.json; the end-of-sequence token will do',
        )
