"""A sequence-classification model from a folder that somebody else wrote: checked, then loaded.

The checks are those of a policy's folder (`policy.folder`), except for the architecture: only
safetensors and JSON are read, no code of the folder is run, no name is looked up on a hub. A folder
without a trained head is refused: transformers would make a random one, and its numbers look like any.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cohort.errors import ModelError, RewardError, legible
from cohort.policy import folder as checks
from cohort.policy.bounded import Chats, try_tokenizer
from cohort.policy.headers import Weights, read_weights
from cohort.policy.plain_json import read_object, shown
from cohort.policy.tokenizer_files import TOKENIZER, check_tokenizer_files

MOST_LABELS = 4096
ENDED = "{% set add_generation_prompt = false %}"
"""Before a template: the answer is there already, and no place for one is to be opened."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A tokenizer as `Chats` asks for it, whose template ends with the answer."""

    chat_template: object
    special_tokens_map: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The model, its tokenizer, its template for whole chats, and the most tokens it reads."""

    model: Any
    tokenizer: Any
    chats: Chats
    most_tokens: int


def check_classifier(folder: Path) -> Weights:
    """What the folder's weights are, by their headers. Raises ModelError for what is refused."""
    if not (folder / checks.CONFIG).is_file():
        raise ModelError(
            f"there is no model folder {shown(str(folder))}", "a model folder has a config.json"
        )
    # The parts of checks.check_folder; what it says of architectures is for policies.
    checks._check_entries(folder)
    checks._check_no_code(folder)
    config = read_object(folder / checks.CONFIG, checks.MOST_CONFIG_BYTES)
    checks._check_choices(folder, config)
    _check_kind(folder, config)
    checks._check_format(folder)
    weights = read_weights(folder)
    checks._check_sizes(folder, config, weights)
    rows = checks._size(config, "vocab_size")
    checks._check_generation(folder, rows)
    check_tokenizer_files(folder, rows)
    if (folder / TOKENIZER).exists():
        try_tokenizer(folder / TOKENIZER)
    return weights


def load_classifier(path: str, device: str) -> Loaded:
    """The model in float32 and evaluation mode. Raises ModelError, and RewardError for a device.

    Loading draws no random number that training would miss.
    """
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    from cohort.policy.pretrained import HERE, by_library

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    folder = Path(path)
    weights = check_classifier(folder)
    load: Any = AutoModelForSequenceClassification.from_pretrained
    with torch.random.fork_rng(devices=[]):
        config = by_library(path, lambda: AutoConfig.from_pretrained(folder, **HERE))
        _check_described(path, config, weights)
        tokenizer = by_library(path, lambda: AutoTokenizer.from_pretrained(folder, **HERE))
        model, found = by_library(
            path,
            lambda: load(
                folder, config=config, dtype=torch.float32, use_safetensors=True, weights_only=True,
                output_loading_info=True, **HERE,
            ),
        )  # fmt: skip
    _check_whole(path, found)
    # A row is never padded: without an id for it, no token of a text is taken for padding.
    model.config.get_text_config().pad_token_id = -1
    template = tokenizer.chat_template
    template = template.get("default") if isinstance(template, dict) else template
    answered = Answered(
        ENDED + template if isinstance(template, str) else template, tokenizer.special_tokens_map
    )
    return Loaded(_moved(model, device), tokenizer, Chats(answered), _longest(config, tokenizer))


def _check_kind(folder: Path, config: dict[str, Any]) -> None:
    """Only classifiers of sequences that transformers has itself."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as KNOWN,
    )

    kind, named = config.get("model_type"), config.get("architectures")
    if not isinstance(kind, str) or not isinstance(named, list) or KNOWN.get(kind) not in named:
        raise ModelError(
            f"{folder / checks.CONFIG}: model_type is {shown(kind)} and architectures "
            f"{shown(named)}, no sequence classifier that the installed transformers knows",
            'it is like "qwen2" and ["Qwen2ForSequenceClassification"]',
        )
    count, labels = config.get("num_labels", 2), config.get("id2label") or {}
    if type(count) is not int or not isinstance(labels, dict):
        raise ModelError(f"{folder / checks.CONFIG}: num_labels or id2label is no such thing")
    if not 0 < max(count, len(labels)) <= MOST_LABELS:
        raise ModelError(
            f"{folder / checks.CONFIG}: {max(count, len(labels)):,} labels, at most "
            f"{MOST_LABELS:,} are made",
            "use the config.json that belongs to the weights",
        )


def _check_described(path: str, config: Any, weights: Weights) -> None:
    """Whether the config describes about as many numbers as there are; nothing is allocated."""
    import torch
    from transformers import AutoModelForSequenceClassification

    from cohort.policy.pretrained import SLACK, by_library

    def described() -> int:
        make: Any = AutoModelForSequenceClassification.from_config
        with torch.device("meta"):
            model = make(config, trust_remote_code=False)
        return sum(part.numel() for part in (*model.parameters(), *model.buffers()))

    numbers = by_library(path, described)
    if numbers > 2 * weights.numbers + SLACK:
        raise ModelError(
            f"the config.json of {shown(path)} describes {numbers:,} numbers, and the weights are "
            f"{weights.numbers:,}",
            "use the config.json that belongs to the weights",
        )


def _check_whole(path: str, found: dict[str, Any]) -> None:
    """Raise where a part of the model would be random, its head above all."""
    for kind in ("missing_keys", "mismatched_keys", "unexpected_keys"):
        names = sorted(str(name) for name in found.get(kind) or ())
        if names:
            raise ModelError(
                f"the weights of {shown(path)} and its config.json differ: {kind.split('_')[0]} is "
                f"{shown(names[0])}",
                "a reward model has its trained head in its weights",
            )


def _moved(model: Any, device: str) -> Any:
    try:
        return model.to(device).eval()
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
        said = legible(str(error), 100)
        raise RewardError(
            f"the classifier cannot be on device {device!r:.40}: {said}", 'give "cpu", or "cuda"'
        ) from error


def _longest(config: Any, tokenizer: Any) -> int:
    """The most tokens of a row: those that have positions, and what the tokenizer says."""
    positions = getattr(config.get_text_config(), "max_position_embeddings", None)
    said = tokenizer.model_max_length
    known = [n for n in (positions, said) if isinstance(n, int) and n > 0]
    return min(known, default=1 << 20)
