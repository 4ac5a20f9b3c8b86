"""Attention over shared prompts on a GPU: one FlexAttention call with a block mask, no copies of keys.

A token sees the tokens of its own segment up to itself, and all of the prompt that its segment belongs
to. The mask is a function of two positions, and a table of blocks says where FlexAttention (Dong et al.
2024, arXiv:2412.05496) has to ask it: the table is made from the segments, so nothing of T times T
entries exists, and blocks that nobody sees are not computed. Compiled once for rows of any length. The
CPU has no gradient for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from cohort.data.packing import Row

BLOCK = 128
"""Tokens of a block of queries, and of keys."""
NARROWEST = 32
"""Heads that are less wide are not for it: 16 has a kernel in float32 and none in bfloat16."""

Sees = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""FlexAttention's mask function: batch, head, query's and key's place -> may it be seen."""


class Flex:
    """The mask of one training row, made anew for each sliding window that layers have."""

    def __init__(self, row: Row, device: torch.device) -> None:
        segment, parent = _segments(row)
        self._row, self._device = row, device
        self._segment = torch.from_numpy(segment).to(device)
        self._parent = torch.from_numpy(parent).to(device)
        self._position = torch.from_numpy(row.positions).to(device)
        self._masks: dict[int, BlockMask] = {}

    def sees(self, window: int) -> Sees:
        """The mask function; window 0: no limit."""
        segment, parent, position = self._segment, self._parent, self._position

        def visible(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
            own = (segment[query] == segment[key]) & (key <= query)
            seen = own | (segment[key] == parent[query])
            if window:
                seen = seen & (position[query] - position[key] < window)
            return seen

        return visible

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, *, scale: float, window: int
    ) -> Tensor:
        """query [T, Hq, D], key and value [T, Hk, D] -> [T, Hq, D]."""
        if window not in self._masks:
            self._masks[window] = self._block_mask(window)
        rows = (tensor.transpose(0, 1)[None] for tensor in (query, key, value))
        out = _attention(query.device.type)(
            *rows,
            block_mask=self._masks[window],
            scale=scale,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        return out[0].transpose(0, 1)

    def _block_mask(self, window: int) -> BlockMask:
        seen, whole = blocks(self._row)
        if window:
            whole = np.zeros_like(whole)  # a window may cut anything
        count = len(self._row.tokens)
        return BlockMask.from_kv_blocks(
            *self._listed(seen & ~whole),
            *self._listed(whole),
            BLOCK_SIZE=BLOCK,
            mask_mod=self.sees(window),
            seq_lengths=(count, count),
        )

    def _listed(self, table: np.ndarray) -> tuple[Tensor, Tensor]:
        """How many blocks of keys each block of queries has, and which: [1, 1, n], [1, 1, n, n]."""
        number = table.sum(1, dtype=np.int32)
        order = np.argsort(~table, axis=1, kind="stable").astype(np.int32)
        found = (torch.from_numpy(array)[None, None] for array in (number, order))
        first, second = (tensor.to(self._device) for tensor in found)
        return first, second


def blocks(row: Row) -> tuple[np.ndarray, np.ndarray]:
    """Which blocks of keys a block of queries may see anything of, and all of: bool [n, n] each."""
    count = -(-len(row.tokens) // BLOCK)
    seen, whole = np.zeros((count, count), dtype=bool), np.zeros((count, count), dtype=bool)
    prompts = list(zip(row.prefix_starts.tolist(), row.prefix_lengths.tolist(), strict=True))
    own = [(start, length, None) for start, length in prompts]
    answers = zip(
        row.suffix_starts.tolist(), row.suffix_lengths.tolist(), row.suffix_parent, strict=True
    )
    own += [(start, length, prompts[parent]) for start, length, parent in answers]
    for start, length, parent in own:
        touched, inside = _touched(start, length), _inside(start, length)
        seen[touched, touched] = True
        whole[inside, inside] = True
        if parent is not None:
            seen[touched, _touched(*parent)] = True
            whole[inside, _inside(*parent)] = True
    index = np.arange(count)
    later = index[:, None] < index[None, :]
    return seen & ~later, whole & (index[:, None] > index[None, :])


def _touched(start: int, length: int) -> slice:
    """The blocks that have a token of a segment."""
    return slice(start // BLOCK, (start + length - 1) // BLOCK + 1)


def _inside(start: int, length: int) -> slice:
    """The blocks that have no other tokens."""
    return slice(-(-start // BLOCK), max(-(-start // BLOCK), (start + length) // BLOCK))


@cache
def _attention(device: str) -> Callable[..., Any]:
    """Compiled where there is a GPU; as it is on the CPU, where only tests use it."""
    if device == "cpu":
        return flex_attention
    compiled: Callable[..., Any] = torch.compile(flex_attention, dynamic=True)
    return compiled


def _segments(row: Row) -> tuple[np.ndarray, np.ndarray]:
    """Each token's segment, and the segment of the prompt that it sees; -1 for a prompt's own."""
    prompts = len(row.prefix_lengths)
    segment = np.zeros(len(row.tokens), dtype=np.int64)
    parent = np.full(len(row.tokens), -1, dtype=np.int64)
    for number, (start, length) in enumerate(
        zip(row.prefix_starts, row.prefix_lengths, strict=True)
    ):
        segment[start : start + length] = number
    for number, (start, length, of) in enumerate(
        zip(row.suffix_starts, row.suffix_lengths, row.suffix_parent, strict=True)
    ):
        segment[start : start + length] = prompts + number
        parent[start : start + length] = of
    return segment, parent
