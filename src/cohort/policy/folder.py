"""A model folder that somebody else wrote, looked at before any library loads it.

Only JSON and the headers of weight files are read. Refused is what would run code (pickles,
`auto_map`, kernels from a hub), what leads out of the folder, what cannot be loaded whole, and
sizes that the weights do not have, which would be allocated nevertheless. A folder that passes can
still be unfit for training; `policy.load` looks at the loaded model.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from cohort.errors import ModelError
from cohort.policy.headers import INDEX, SINGLE, Weights, read_weights
from cohort.policy.plain_json import entries, read_object, shown
from cohort.policy.tokenizer_files import check_tokenizer_files

CONFIG, GENERATION = "config.json", "generation_config.json"
MOST_CONFIG_BYTES = 4 << 20
MOST_FILES = 10_000

CODE = (
    CONFIG, GENERATION, "tokenizer_config.json", "processor_config.json",
    "preprocessor_config.json", "video_preprocessor_config.json",
)  # fmt: skip
"""Files in which `auto_map` would name Python code of the folder."""

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
PRIVATE = re.compile(r"_?(attn|attention|experts)_implementation(_internal)?|use_kernels|kernel_.*")
"""Keys that choose an implementation, which may be a program on a hub; Cohort chooses its own."""

COUNTS = re.compile(r"(num|n)_.*(layer|head|expert|group|block)s?")
MOST_COUNTED = 4096
"""Layers, heads and experts are made one by one; no model has as many."""
SIZES = (
    "vocab_size", "hidden_size", "intermediate_size", "moe_intermediate_size", "head_dim",
    "n_embd", "n_inner", "d_model", "ffn_dim",
)  # fmt: skip
"""Widths of weights: none is larger than all weights together."""
WIDTHS = ("hidden_size", "n_embd", "d_model")


def check_folder(folder: Path) -> Weights:
    """What the folder's weights are, by their headers. Raises ModelError for what is refused."""
    _check_entries(folder)
    _check_no_code(folder)
    if (folder / "adapter_config.json").exists():
        raise ModelError(
            f"{folder} holds an adapter (adapter_config.json), which names another model",
            "merge it into its model and give that folder",
        )
    config = read_object(folder / CONFIG, MOST_CONFIG_BYTES)
    _check_choices(folder, config)
    _check_kind(folder, config)
    _check_format(folder)
    weights = read_weights(folder)
    _check_sizes(folder, config, weights)
    rows = _size(config, "vocab_size")
    _check_generation(folder, rows)
    check_tokenizer_files(folder, rows)
    return weights


def check_beside_adapters(folder: Path, rows: int) -> None:
    """The same of a tokenizer that stands beside adapters, for a model of so many embeddings."""
    _check_entries(folder)
    _check_no_code(folder)
    _check_generation(folder, rows)
    check_tokenizer_files(folder, rows)


def _check_entries(folder: Path) -> None:
    """Links stay inside, and there are only files and folders; pipes and devices are refused."""
    inside = folder.resolve()
    if inside.parent.name == "snapshots" and inside.parents[1].name.startswith("models--"):
        inside = inside.parents[1]  # the hub's cache links from snapshots/ to blobs/
    for number, path in enumerate(folder.rglob("*")):
        if number >= MOST_FILES:
            raise ModelError(f"{folder} holds more than {MOST_FILES:,} files", "is it a model?")
        where = f"{folder}: {shown(str(path.relative_to(folder)))}"
        if path.is_symlink():
            try:
                target = path.resolve(strict=True)
            except (OSError, RuntimeError) as error:
                raise ModelError(f"{where} is a link to nothing", "remove it") from error
            if not target.is_relative_to(inside):
                raise ModelError(
                    f"{where} is a link out of the folder, to {shown(str(target))}",
                    "put the file itself into the folder",
                )
        if not path.is_file() and not path.is_dir():
            raise ModelError(f"{where} is neither a file nor a folder", "remove it")


def _check_no_code(folder: Path) -> None:
    for name in CODE:
        if (folder / name).exists():
            content = read_object(folder / name, MOST_CONFIG_BYTES)
            for key, place, value in entries(content):
                if key in ("auto_map", "custom_pipelines") and value:
                    raise ModelError(
                        f"{folder / name}: {place} names code of the folder, {shown(value)}; it is "
                        "never run",
                        f"if transformers knows the model itself, remove {key!r} from the file",
                    )


def _check_choices(folder: Path, config: dict[str, Any]) -> None:
    for key, place, value in entries(config):
        if PRIVATE.fullmatch(key) and value is not None:
            raise ModelError(
                f"{folder / CONFIG}: {place} is {shown(value)}; a model does not choose what "
                "computes it",
                f"remove {key!r} from the file",
            )
        if key in ("quantization_config", "compression_config") and value is not None:
            raise ModelError(
                f"{folder / CONFIG}: {place} says that the weights are quantized; they cannot be "
                "trained",
                "use the original weights",
            )
        if key == "transformers_weights" and value is not None:
            raise ModelError(
                f"{folder / CONFIG}: {place} is {shown(value)}; weights are in {SINGLE} or {INDEX}",
                "rename the file, and remove the key",
            )


def _check_kind(folder: Path, config: dict[str, Any]) -> None:
    """Only causal language models that transformers has itself."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    kind = config.get("model_type")
    if config.get("is_encoder_decoder") is True:
        raise ModelError(
            f"{folder / CONFIG}: {shown(kind)} is an encoder-decoder, no causal language model",
            "use a decoder-only model",
        )
    if not isinstance(kind, str) or kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise ModelError(
            f"{folder / CONFIG}: model_type is {shown(kind)}, no causal language model that the "
            "installed transformers knows",
            'models such as "llama", "qwen2", "qwen3", "mistral" or "gpt2" can be trained',
        )
    known = {
        name
        for value in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()
        for name in ([value] if isinstance(value, str) else value)
    }
    named = config.get("architectures") or []
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise ModelError(
            f"{folder / CONFIG}: architectures is {shown(named)}, not a list of names",
            'it is like ["LlamaForCausalLM"]',
        )
    if named and not known & set(named):
        raise ModelError(
            f"{folder / CONFIG}: architectures is {shown(named)}, no causal language model that "
            "the installed transformers knows",
            "give the model with its language-model head",
        )


def _check_format(folder: Path) -> None:
    """That there are safetensors; pickles run code when they are loaded."""
    if any((folder / name).exists() for name in (SINGLE, INDEX)):
        return
    pickled = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLED)
    if pickled:
        raise ModelError(
            f"{folder} holds its weights as a pickle, {shown(pickled[0])}; pickles run code, and "
            "are never loaded",
            "get the safetensors of the same model, or convert it where that code may run: "
            "load it with transformers and call save_pretrained",
        )
    raise ModelError(
        f"{folder} holds no {SINGLE} and no {INDEX}",
        "a model folder has its weights in safetensors",
    )


def _check_sizes(folder: Path, config: dict[str, Any], weights: Weights) -> None:
    where = folder / CONFIG
    for key, place, value in entries(config):
        count, size = COUNTS.fullmatch(key), key in SIZES
        if not (count or size) or value is None or isinstance(value, list):
            continue
        if type(value) is not int or value < 0 or (size and value == 0 and key in WIDTHS):
            raise ModelError(f"{where}: {place} is {shown(value)}, not a size", "correct the file")
        most = MOST_COUNTED if count else weights.numbers
        if value > most:
            raise ModelError(
                f"{where}: {place} is {value:,}; with {weights.numbers:,} numbers in the weights "
                f"it can be {most:,} at most",
                "use the config.json that belongs to the weights",
            )
    rows = _size(config, "vocab_size")
    for name in WIDTHS:
        if rows * _size(config, name) > weights.numbers:
            raise ModelError(
                f"{where}: vocab_size {rows:,} times {name} {_size(config, name):,} are more "
                f"numbers than the weights hold, {weights.numbers:,}",
                "use the config.json that belongs to the weights",
            )


def _size(config: dict[str, Any], name: str) -> int:
    """A size of the language model; 0 where the config does not say it."""
    inner = config.get("text_config")
    value = (inner if isinstance(inner, dict) and name in inner else config).get(name)
    return value if type(value) is int else 0


def _check_generation(folder: Path, rows: int) -> None:
    """The ends of answers are ids of the vocabulary."""
    for name in (CONFIG, GENERATION):
        if not (folder / name).exists():
            continue
        content = read_object(folder / name, MOST_CONFIG_BYTES)
        for key in ("eos_token_id", "pad_token_id", "bos_token_id"):
            value = content.get(key)
            ids = value if isinstance(value, list) else [value]
            for token in ids:
                if token is None and not isinstance(value, list):
                    continue
                if type(token) is not int or not -1 <= token < (rows or 1 << 31):
                    raise ModelError(
                        f"{folder / name}: {key} is {shown(value)}, no id of {rows:,} tokens",
                        "use the file that belongs to the model",
                    )
