"""The weights of a trunk as a compiled decode step reads them, for as long as they do not change.

d hidden width, f feed-forward width, Hq query and Hk key heads of width D, n outputs of a matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cohort.policy import native
from cohort.policy.attention import Heads


def laid_out(weight: Tensor) -> Tensor:
    """weight [n, d] -> float32 [panels, d, outputs of a panel], outputs beyond n being 0."""
    outputs, inputs = weight.shape
    side_by_side = native.panel_width()
    panels = weight.new_empty(
        -(-outputs // side_by_side), inputs, side_by_side, dtype=torch.float32
    )
    threads, narrow = torch.get_num_threads(), weight.dtype == torch.bfloat16
    native.call("lay_panels", weight, panels, outputs, inputs, threads, narrow)
    return panels


@dataclass(frozen=True, slots=True)
class LayerPanels:
    """A layer's norms as they are and its matrices in panels, in the order in which a step needs them."""

    before_attention: Tensor
    query_key_value: Tensor
    bias: Tensor | None
    query_norm: Tensor | None
    key_norm: Tensor | None
    output: Tensor
    before_feed_forward: Tensor
    gate_up: Tensor
    gate_up_bias: Tensor | None
    down: Tensor

    def addresses(self) -> list[int]:
        """Where each of them is; 0 for what is not there."""
        parts = (
            self.before_attention, self.query_key_value, self.bias, self.query_norm, self.key_norm,
            self.output, self.before_feed_forward, self.gate_up, self.gate_up_bias, self.down,
        )  # fmt: skip
        return [0 if part is None else part.data_ptr() for part in parts]


@dataclass(frozen=True, slots=True)
class Panels:
    """Everything of a trunk that a decode step reads, in float32.

    tables: cosine and signed sine by position. narrow: results are rounded to bfloat16.
    """

    layers: Sequence[LayerPanels]
    last_norm: Tensor
    epsilon: float
    heads: Heads
    feed_forward: int
    tables: tuple[Tensor, Tensor]
    narrow: bool
