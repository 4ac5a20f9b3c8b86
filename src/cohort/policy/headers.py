"""The headers of safetensors files: what they say is there, checked against the bytes that are.

A header is eight bytes of length and that much JSON. Its tensors must lie end to end and fill the
rest of the file, each with as many bytes as its shape and type need; then loading one can neither
read beyond the file nor allocate more than it. No tensor is read here.

https://huggingface.co/docs/safetensors, "Format"
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cohort.errors import ModelError
from cohort.policy.plain_json import file_size, parse_object, read_object, shown

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
MOST_HEADER_BYTES = 32 << 20
"""Headers of single files with 100,000 tensors stay below it; the format allows 100 MB."""
MOST_INDEX_BYTES = 64 << 20
MOST_DIMENSIONS = 8

TRAINABLE = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
"""Types of weights, with the bytes of one number."""
BUFFERS = {"BOOL": 1, "U8": 1, "I32": 4, "I64": 8}
"""Types of what old checkpoints saved beside their weights; these names only."""
BUFFER = re.compile(r"(attn|attention)\.(bias|masked_bias)$|position_ids$")

FETCH = "fetch the file again; it may be cut short or damaged"


@dataclass(frozen=True, slots=True)
class Weights:
    """What the weight files of a folder hold, by their headers."""

    tensors: dict[str, tuple[int, ...]]
    """The shape of each tensor."""

    @property
    def numbers(self) -> int:
        """How many there are in all tensors together."""
        return sum(math.prod(shape) for shape in self.tensors.values())


def read_weights(folder: Path) -> Weights:
    """All headers of a folder's weights. Raises ModelError for what cannot be loaded whole."""
    if (folder / SINGLE).exists() or (folder / SINGLE).is_symlink():
        return Weights(shapes_of(folder / SINGLE))
    mapped = _index(folder / INDEX)
    found: dict[str, tuple[int, ...]] = {}
    for shard in sorted(set(mapped.values())):
        if not (folder / shard).exists():
            raise ModelError(
                f"{folder / INDEX} names {shown(shard)}, and there is no such file",
                "fetch the missing part of the weights",
            )
        tensors = shapes_of(folder / shard)
        twice = next((name for name in tensors if name in found), None)
        if twice is not None:
            raise ModelError(f"{folder}: tensor {shown(twice)} is in two weight files", FETCH)
        found.update(tensors)
        lost = next((n for n, s in mapped.items() if s == shard and n not in tensors), None)
        if lost is not None:
            raise ModelError(f"{folder / shard} lacks tensor {shown(lost)} of the index", FETCH)
    return Weights(found)


def _index(path: Path) -> dict[str, str]:
    mapped = read_object(path, MOST_INDEX_BYTES).get("weight_map")
    if not isinstance(mapped, dict) or not mapped:
        raise ModelError(f"{path} has no weight_map, a table of tensors and files", FETCH)
    for shard in mapped.values():
        if not isinstance(shard, str) or not re.fullmatch(r"[\w-][\w.-]*\.safetensors", shard):
            raise ModelError(
                f"{path} names {shown(shard)}: a weight file is a .safetensors file of the folder",
                "correct the index; no path leads out of a model's folder",
            )
    return mapped


def shapes_of(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of a file. Raises ModelError for one that cannot be loaded whole."""
    raw = _header_bytes(path)
    try:
        header = parse_object(raw.decode("utf-8"), f"the header of {path}")
    except UnicodeDecodeError as error:
        raise ModelError(f"the header of {path} is not UTF-8: byte {error.start}", FETCH) from error
    header.pop("__metadata__", None)
    spans = sorted(_span(path, name, tensor) for name, tensor in header.items())
    end = 0
    for begin, after, name in spans:
        if begin != end:
            raise ModelError(
                f"{path}: tensor {shown(name)} begins at byte {begin:,}, and what is before it "
                f"ends at {end:,}",
                FETCH,
            )
        end = after
    size = file_size(path) - 8 - len(raw)
    if end != size:
        raise ModelError(f"{path}: the tensors end at byte {end:,}, the file at {size:,}", FETCH)
    return {name: tuple(tensor["shape"]) for name, tensor in header.items()}


def _header_bytes(path: Path) -> bytes:
    size = file_size(path)
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size >= 8 and length <= min(size - 8, MOST_HEADER_BYTES):
                return file.read(length)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}", FETCH) from error
    raise ModelError(
        f"{path} says its header has {length:,} bytes; the file has {size:,}, and at most "
        f"{MOST_HEADER_BYTES:,} are read",
        FETCH,
    )


def _span(path: Path, name: str, tensor: Any) -> tuple[int, int, str]:
    """Where a tensor begins and ends, if these are its shape's bytes."""
    where = f"{path}: tensor {shown(name)}"
    if not isinstance(tensor, dict) or set(tensor) != {"dtype", "shape", "data_offsets"}:
        raise ModelError(f"{where} is {shown(tensor)}, not a type, a shape and offsets", FETCH)
    kind, shape, offsets = tensor["dtype"], tensor["shape"], tensor["data_offsets"]
    width = TRAINABLE.get(str(kind)) or (BUFFERS.get(str(kind)) if BUFFER.search(name) else None)
    if width is None:
        raise ModelError(
            f"{where} has the type {shown(kind)}; weights are {', '.join(TRAINABLE)}",
            "quantized weights cannot be trained; use the original ones",
        )
    if not _sizes(shape) or len(shape) > MOST_DIMENSIONS:
        raise ModelError(f"{where} has the shape {shown(shape)}", FETCH)
    if not _sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise ModelError(f"{where} has the offsets {shown(offsets)}", FETCH)
    begin, after = offsets
    if math.prod(shape) * width != after - begin:
        raise ModelError(
            f"{where} has the shape {shown(shape)} in {kind}, and {after - begin:,} bytes", FETCH
        )
    return begin, after, name


def _sizes(value: object) -> bool:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 1 << 48 for n in value)
