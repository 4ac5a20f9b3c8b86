"""A model and its tokenizer from a folder, or from a name on the hub, which becomes a folder first.

The folder is checked before transformers sees it, and afterwards what came out of it: that the
weights are all of the model's, and that every one of them is a number. Only safetensors are read,
no code of the folder is run, and the network is used for nothing but fetching the files of a name.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.modeling_utils import PreTrainedModel
from transformers.utils import logging

from cohort.errors import CohortError, ModelError
from cohort.policy.adapters import add_from, base_of, is_adapter_folder
from cohort.policy.bounded import try_tokenizer
from cohort.policy.folder import CONFIG, GENERATION, check_beside_adapters, check_folder
from cohort.policy.headers import Weights
from cohort.policy.plain_json import shown
from cohort.policy.tokenizer_files import TOKENIZER

FETCHED = ["*.json", "*.jinja", "*.model", "vocab.txt", "merges.txt", "model*.safetensors"]
"""Of a name on the hub; no pickles, and no code."""
HERE: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
BELONGS = "use the config.json that belongs to the weights"
ALIGNMENT = 64
"""Bytes; torch lays every tensor of its own out so."""
SLACK = 4_000_000
"""Numbers that a model may have beside its weights: tables of positions, masks."""

Loaded = TypeVar("Loaded")


def pretrained(path: str) -> tuple[PreTrainedModel, Any]:
    """The model, with transformers' own attention, and the tokenizer. Raises ModelError."""
    folder = _folder(path)
    if is_adapter_folder(folder):
        return _with_adapters(folder)
    config, tokenizer = _without_weights(path, folder)
    load: Callable[..., Any] = AutoModelForCausalLM.from_pretrained
    options = {"use_safetensors": True, "weights_only": True, "output_loading_info": True, **HERE}
    model, found = by_library(
        path, lambda: load(folder, config=config, attn_implementation="sdpa", **options)
    )
    _check_whole(path, found)
    _check_finite(path, model)
    return model, tokenizer


def settle(model: PreTrainedModel) -> None:
    """Move weights that do not begin where torch's own memory does.

    In a mapped file they begin at any multiple of 8 bytes, by the length of its header, and MKL rounds
    some products otherwise there: the same weights, saved and loaded, would not say the same.
    """
    for parameter in model.parameters():
        if parameter.data_ptr() % ALIGNMENT:
            parameter.data = parameter.data.clone()


def _with_adapters(folder: Path) -> tuple[PreTrainedModel, Any]:
    """The model that an adapter folder is for, with the adapters in its weights.

    A tokenizer beside the adapters is theirs: its template may have been told something.
    """
    model, tokenizer = pretrained(_base(folder))
    add_from(folder, model)
    _check_finite(str(folder), model)
    if (folder / TOKENIZER).exists():
        check_beside_adapters(folder, len(cast(Any, model.get_input_embeddings()).weight))
        try_tokenizer(folder / TOKENIZER)
        tokenizer = by_library(str(folder), lambda: AutoTokenizer.from_pretrained(folder, **HERE))
    if (folder / GENERATION).exists():
        model.generation_config = by_library(
            str(folder), lambda: GenerationConfig.from_pretrained(folder, local_files_only=True)
        )
    return model, tokenizer


def _base(folder: Path) -> str:
    base = base_of(folder)
    if Path(base).is_dir() and is_adapter_folder(Path(base)):
        raise ModelError(
            f"the adapters of {str(folder)!r} are for {base!r}, which are adapters themselves",
            "merge those first: lora.merge in the recipe",
        )
    return base


def described(path: str) -> tuple[Any, Any]:
    """The configuration and the tokenizer of a model whose weights are not read, and need not be there."""
    if os.path.exists(path) or not _is_hub_name(path):
        folder = _folder(path)
        return (
            described(_base(folder))
            if is_adapter_folder(folder)
            else _without_weights(path, folder)
        )
    given: dict[str, Any] = {"trust_remote_code": False}
    config = by_library(path, lambda: AutoConfig.from_pretrained(path, **given))
    return config, by_library(path, lambda: AutoTokenizer.from_pretrained(path, **given))


def check_pretrained(path: str) -> None:
    """Raise what `pretrained` raises before it reads the weights; nothing is fetched from the hub."""
    if os.path.exists(path) or not _is_hub_name(path):  # no error for a name that is too long
        folder = _folder(path)
        if is_adapter_folder(folder):
            check_pretrained(_base(folder))
        else:
            _without_weights(path, folder)


def _without_weights(path: str, folder: Path) -> tuple[Any, Any]:
    """The config and the tokenizer, with everything checked that costs little."""
    logging.disable_progress_bar()
    logging.set_verbosity_error()  # what matters is checked here, and said in our own words
    weights = check_folder(folder)
    if (folder / TOKENIZER).exists():
        try_tokenizer(folder / TOKENIZER)
    config = by_library(path, lambda: AutoConfig.from_pretrained(folder, **HERE))
    _check_described(path, config, weights)
    return config, by_library(path, lambda: AutoTokenizer.from_pretrained(folder, **HERE))


def _is_hub_name(path: str) -> bool:
    return not path.startswith((".", "/", "~")) and path.count("/") == 1


def _folder(path: str) -> Path:
    folder = Path(path)
    if os.path.isdir(path):
        if not (folder / CONFIG).is_file() and not is_adapter_folder(folder):
            raise ModelError(f"the folder {path!r} holds no config.json", "a model folder has one")
        return folder
    if os.path.exists(path):
        raise ModelError(f"{path!r} is not a folder", "give the folder that the model is in")
    if not _is_hub_name(path):
        raise ModelError(f"there is no model folder {path!r}", "give a folder or a hub name")
    from huggingface_hub import snapshot_download

    return by_library(
        path,
        lambda: Path(snapshot_download(path, allow_patterns=FETCHED, ignore_patterns="*/*")),
    )


def by_library(path: str, load: Callable[[], Loaded]) -> Loaded:
    """What a library makes of foreign files, where any of its errors is a refusal of theirs."""
    try:
        return load()
    except CohortError:
        raise
    except Exception as error:  # tokenizers raises bare Exception, the others anything
        said = shown(" ".join(str(error).split()), 300)
        if "trust_remote_code" in str(
            error
        ):  # of a name on the hub, whose library asks for consent
            raise ModelError(
                f"the model {path!r} comes with code of its own, which is never run",
                "use a model whose kind transformers knows itself",
            ) from error
        raise ModelError(
            f"the model {path!r} cannot be loaded: {type(error).__name__}: {said}",
            "give a folder with config.json, weights and tokenizer, or a name on the hub",
        ) from error


def _check_described(path: str, config: Any, weights: Weights) -> None:
    """Whether the config describes about as many numbers as there are; nothing is allocated."""

    def described() -> int:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(
                config, attn_implementation="sdpa", trust_remote_code=False
            )
        return sum(part.numel() for part in (*model.parameters(), *model.buffers()))

    numbers = by_library(path, described)
    if numbers > 2 * weights.numbers + SLACK:  # an untied head may be as large as all the rest
        raise ModelError(
            f"the config.json of {path!r} describes {numbers:,} numbers, and the weights are "
            f"{weights.numbers:,}",
            BELONGS,
        )


def _check_whole(path: str, found: dict[str, Any]) -> None:
    """Raise where a part of the model would be random, or a part of the weights forgotten."""
    for kind, what in (
        ("missing_keys", "lack a tensor that config.json describes"),
        ("mismatched_keys", "have another shape than config.json describes"),
        ("unexpected_keys", "hold a tensor that config.json does not describe"),
    ):
        names = sorted(str(name) for name in found.get(kind) or ())
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise ModelError(f"the weights of {path!r} {what}: {shown(names[0])}{more}", BELONGS)


def _check_finite(path: str, model: PreTrainedModel) -> None:
    for name, weight in model.named_parameters():
        if not bool(torch.isfinite(weight).all()):
            raise ModelError(
                f"the weights of {path!r} are not all numbers: {name} holds NaN or infinity",
                "use another checkpoint; training would make all of them NaN",
            )
