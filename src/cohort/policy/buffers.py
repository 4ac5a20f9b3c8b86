"""Memory of a training row's tensors, which its thread keeps for the next row.

No two rows are equally long, so no block of one fits a tensor of the next, and an allocator that splits and
joins blocks holds twice of what is in use after a dozen updates (docs/LOG.md). Here a block is as long
as the longest row, whatever lies in it, and it is free again as soon as no tensor lies there.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, UntypedStorage

LEAST_BYTES = 2**17
"""Smaller tensors are allocated as always."""
KEPT_BYTES = 2**30
"""A thread that holds more gives it back after an update: beside such rows new pages cost nothing."""

_COUNTS = hasattr(torch._C, "_storage_Use_Count")
"""Whether torch says how many hold a storage; without that nothing is kept."""


def _uses(address: int) -> int:
    return torch._C._storage_Use_Count(address)


class _Blocks(threading.local):
    """A thread's blocks by the bytes of a row's token."""

    def __init__(self) -> None:
        self.longest = 0
        self.by_width: dict[int, list[UntypedStorage]] = {}

    def take(self, rows: int, width: int) -> UntypedStorage:
        own = self.by_width.setdefault(width, [])
        size = max(rows, self.longest if rows > 1 else 1) * width
        for place, block in enumerate(own):
            if _uses(block._cdata) == 1:
                if block.nbytes() < size:
                    own[place] = block = UntypedStorage(size)
                return block
        own.append(UntypedStorage(size))
        return own[-1]

    @property
    def bytes(self) -> int:
        """Of all blocks."""
        return sum(block.nbytes() for own in self.by_width.values() for block in own)


_blocks = _Blocks()


@contextmanager
def kept(longest: int) -> Iterator[None]:
    """This thread's `empty` takes from its blocks meanwhile; no row has more tokens than `longest`."""
    _blocks.longest = longest
    try:
        yield
    finally:
        _blocks.longest = 0
        if _blocks.bytes > KEPT_BYTES:
            _blocks.by_width.clear()


def keeps(like: Tensor) -> bool:
    """Whether `empty` takes from blocks here."""
    return _blocks.longest > 0 and like.device.type == "cpu" and _COUNTS


def empty(shape: Sequence[int], like: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """A tensor of anything, contiguous: [T, ...] for T tokens, or [1, ...] for what no row is as long as."""
    dtype = dtype or like.dtype
    width = math.prod(shape[1:]) * dtype.itemsize
    if not keeps(like) or shape[0] * width < LEAST_BYTES:
        return like.new_empty(shape, dtype=dtype)
    block = _blocks.take(shape[0], width)
    place = torch.empty(0, dtype=dtype)
    return place.set_(block, 0, tuple(shape))  # type: ignore[call-overload]  # bytes serve any type
