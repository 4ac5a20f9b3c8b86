"""The files of a tokenizer that somebody else wrote, before a library builds one from them.

Read are `tokenizer_config.json` and the other small ones, `tokenizer.json`, and the size of what
is not JSON. Refused are pickles, paths that lead elsewhere, ids without an embedding, and tables so
large that building the tokenizer would take minutes or all memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

from cohort.errors import ModelError
from cohort.policy.plain_json import file_size, read_object, read_text, shown

TOKENIZER, SETTINGS = "tokenizer.json", "tokenizer_config.json"
BUILT_FROM = (
    TOKENIZER, "vocab.json", "tokenizer.model", "tekken.json", "vocab.txt", "spiece.model",
    "sentencepiece.bpe.model", "tiktoken.model", "encoder.json",
)  # fmt: skip
"""Any one of them makes a tokenizer, some with others beside it."""
SMALL = (SETTINGS, "special_tokens_map.json", "added_tokens.json")
PICKLED = (".pkl", ".pickle", ".bin", ".pt", ".pth")

MOST_TOKENIZER_BYTES = 64 << 20
"""The largest in use, with 262,144 tokens, has 33 MB."""
MOST_MERGES = 800_000
"""Gemma 3 has 514,906."""
MOST_SMALL_BYTES = 8 << 20
MOST_TEMPLATE_BYTES = 1 << 20

BELONGS = "use the tokenizer files that belong to the model"


def check_tokenizer_files(folder: Path, rows: int) -> None:
    """Raise ModelError for files that no tokenizer is built from; `rows` is the vocabulary's size,
    or 0 where the model's config does not say it."""
    _check_there(folder)
    for name in SMALL:
        if (folder / name).exists():
            content = read_object(folder / name, MOST_SMALL_BYTES)
            _check_added(folder / name, content, rows)
    if (folder / SETTINGS).exists():
        _check_settings(folder / SETTINGS, read_object(folder / SETTINGS, MOST_SMALL_BYTES))
    for path in [*folder.glob("*.jinja"), *folder.glob("additional_chat_templates/*.jinja")]:
        read_text(path, MOST_TEMPLATE_BYTES)
    if (folder / "chat_template.json").exists():
        read_object(folder / "chat_template.json", MOST_TEMPLATE_BYTES)
    if (folder / TOKENIZER).exists():
        _check_tables(folder / TOKENIZER, rows)


def _check_there(folder: Path) -> None:
    found = [folder / name for name in BUILT_FROM if (folder / name).exists()]
    for path in [*found, *(p for p in [folder / "merges.txt"] if p.exists())]:
        if file_size(path) > MOST_TOKENIZER_BYTES:
            raise ModelError(
                f"{path} has {file_size(path):,} bytes, at most {MOST_TOKENIZER_BYTES:,} are read",
                BELONGS,
            )
    if not found:
        pickled = sorted(p.name for p in folder.glob("*vocab*") if p.suffix in PICKLED)
        if pickled:
            raise ModelError(
                f"{folder} holds its tokenizer as a pickle, {shown(pickled[0])}; pickles run code, "
                "and are never loaded",
                "get the tokenizer.json of the same model",
            )
        raise ModelError(f"{folder} holds no tokenizer", f"a model folder has a {TOKENIZER}")


def _check_settings(path: Path, settings: dict[str, Any]) -> None:
    for key, value in settings.items():
        if key.endswith("_token") and not isinstance(value, (str, dict, bool, type(None))):
            raise ModelError(f"{path}: {key} is {shown(value)}, not a token", BELONGS)
        if key == "tokenizer_class" and not isinstance(value, (str, type(None))):
            raise ModelError(f"{path}: {key} is {shown(value)}, not a name", BELONGS)
        if key == "model_max_length" and not isinstance(value, (int, float, type(None))):
            raise ModelError(f"{path}: {key} is {shown(value)}, not a number", BELONGS)
        if key == "init_inputs" and value:
            raise ModelError(f"{path}: {key} is {shown(value)}; it must be empty", BELONGS)
        if key.endswith(("_file", "_files")) and key != "special_tokens_map_file":
            _check_inside(path, key, value)
    template = settings.get("chat_template")
    if not isinstance(template, (str, list, dict, type(None))):
        raise ModelError(f"{path}: chat_template is {shown(template)}, not a text", BELONGS)


def _check_inside(path: Path, key: str, value: object) -> None:
    """A path in the settings leads nowhere but into the folder.

    A tokenizer.json in the folder is read whatever `tokenizer_file` says; many honest folders keep
    the path there that it had on another machine.
    """
    if key == "tokenizer_file" and (path.parent / TOKENIZER).exists():
        return
    for name in value if isinstance(value, list) else [value]:
        if name is None:
            continue
        if not isinstance(name, str) or PurePath(name).name != name:
            raise ModelError(
                f"{path}: {key} is {shown(value)}, no file of the folder",
                f"remove {key!r} from the file",
            )


def _check_added(path: Path, content: dict[str, Any], rows: int) -> None:
    """The ids of added tokens, in either of the two places they may be in."""
    if path.name == "added_tokens.json":
        _check_ids(path, content.values(), rows)
    added = content.get("added_tokens_decoder", {})
    if not isinstance(added, dict) or not all(
        re.fullmatch("[0-9]{1,9}", key)
        and isinstance(token, dict)
        and isinstance(token.get("content"), str)
        for key, token in added.items()
    ):
        raise ModelError(f"{path}: added_tokens_decoder is {shown(added)}", BELONGS)
    _check_ids(path, (int(key) for key in added), rows)


def _check_tables(path: Path, rows: int) -> None:
    content = read_object(path, MOST_TOKENIZER_BYTES)
    model, added = content.get("model"), content.get("added_tokens", [])
    if not isinstance(model, dict):
        raise ModelError(f"{path}: model is {shown(model)}, not an object", BELONGS)
    vocabulary, merges = model.get("vocab"), model.get("merges", [])
    if not isinstance(vocabulary, (dict, list)) or not vocabulary:
        raise ModelError(f"{path}: the vocabulary is {shown(vocabulary)}", BELONGS)
    if not isinstance(merges, list) or len(merges) > MOST_MERGES:
        seen = f"{len(merges):,}" if isinstance(merges, list) else shown(merges)
        raise ModelError(f"{path}: merges are {seen}, at most {MOST_MERGES:,} are read", BELONGS)
    ids = vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary))
    _check_ids(path, ids, rows)
    if not isinstance(added, list) or not all(
        isinstance(token, dict) and isinstance(token.get("content"), str) for token in added
    ):
        raise ModelError(f"{path}: added_tokens is {shown(added)}, not a list of tokens", BELONGS)
    _check_ids(path, (token.get("id") for token in added), rows)


def _check_ids(path: Path, ids: Iterable[Any], rows: int) -> None:
    most = rows or 1 << 24
    for token in ids:
        if type(token) is not int or not 0 <= token < most:
            raise ModelError(
                f"{path}: a token has the id {shown(token)}, and the model has {most:,} embeddings",
                BELONGS,
            )
