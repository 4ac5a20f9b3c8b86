"""A safetensors file in pieces, byte for byte as `safetensors.torch.save` has it: never in memory whole.

    8 bytes: the header's length   |   header: JSON, by name dtype, shape and place   |   the tensors

What has not changed in between is the same bytes each time they are asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cohort.data.disk import CHUNK_BYTES

DTYPES = {
    torch.int64: "I64",
    torch.float64: "F64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""What safetensors calls them, in its order: wide ones first, so that each lies at a multiple of itself."""


class Written:
    """The file of some tensors."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        ranks = {dtype: rank for rank, dtype in enumerate(DTYPES)}
        order = sorted(tensors, key=lambda name: (ranks[tensors[name].dtype], name))
        self._tensors = [tensors[name].detach() for name in order]
        header, end = {}, 0
        for name, tensor in zip(order, self._tensors, strict=True):
            start, end = end, end + tensor.nbytes
            header[name] = {
                "dtype": DTYPES[tensor.dtype],
                "shape": list(tensor.shape),
                "data_offsets": [start, end],
            }
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        text += b" " * (-len(text) % 8)
        self._head = len(text).to_bytes(8, "little") + text
        self._length = len(self._head) + end

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[memoryview]:
        """Small tensors come together, so that a small file is one write."""
        gathered = bytearray(self._head)
        for tensor in self._tensors:
            flat = _bytes(tensor)
            if len(flat) >= CHUNK_BYTES:
                yield memoryview(gathered)
                yield flat.data
                gathered = bytearray()
                continue
            gathered += flat.data
            if len(gathered) >= CHUNK_BYTES:
                yield memoryview(gathered)
                gathered = bytearray()
        yield memoryview(gathered)


def compared(path: Path, tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, bool]]:
    """Of each tensor that a file has and that is among these: whether its bytes are the same.

    A piece of it is read at a time, where mapping the file would take its whole length of addresses. Raises
    ValueError for a file that is cut.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        for name, entry in header.items():
            if name in tensors:
                file.seek(8 + length + entry["data_offsets"][0])
                yield name, _follows(file, _bytes(tensors[name].detach()))


def _follows(file: BinaryIO, wanted: NDArray[np.uint8]) -> bool:
    """Whether these bytes are the next ones of a file."""
    for start in range(0, len(wanted), CHUNK_BYTES):
        part = wanted[start : start + CHUNK_BYTES]
        if file.read(len(part)) != part.tobytes():
            return False
    return True


def _bytes(tensor: Tensor) -> NDArray[np.uint8]:
    """A tensor's bytes, in its own memory where it is on the CPU and in one piece."""
    flat: NDArray[np.uint8] = tensor.reshape(-1).cpu().contiguous().view(torch.uint8).numpy()
    return flat
