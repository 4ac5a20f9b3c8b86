"""Attention over shared prompts on a GPU: one FlexAttention call with a block mask, no copies of keys.

A token sees the tokens of its own segment up to itself, and all of the prompt that its segment belongs
to. The mask is a function of two positions, of which FlexAttention (Dong et al. 2024,
arXiv:2412.05496) makes a table of blocks: nothing of T times T entries exists, and blocks that nobody
sees are not computed. Compiled once for rows of any length. The CPU has no gradient for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from cohort.data.packing import Row

Sees = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""FlexAttention's mask function: batch, head, query's and key's place -> may it be seen."""


class Flex:
    """The mask of one training row, made anew for each sliding window that layers have."""

    def __init__(self, row: Row, device: torch.device) -> None:
        segment, parent = _segments(row)
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
            count, device = len(query), query.device
            self._masks[window] = create_block_mask(
                self.sees(window), None, None, count, count, device=str(device)
            )
        rows = (tensor.transpose(0, 1)[None] for tensor in (query, key, value))
        out = _attention(query.device.type)(
            *rows,
            block_mask=self._masks[window],
            scale=scale,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        return out[0].transpose(0, 1)


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
