"""Keys and values of many sequences of one kind, per layer, allocated once.

H key-value heads, D head width.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(slots=True)
class Cache:
    """Keys and values per layer, [count, H, length, D] each, allocated at a layer's first use.

    On the CPU they are float32 whatever the weights are: its kernels are faster so, and more exact.
    """

    count: int
    length: int
    turned: bool = False
    """Keys lie as [count, H, D, length] in memory, as the compiled kernels read them."""
    layers: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def layer(self, index: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """The layer's keys and values; `like` [T, H, D] gives heads, width and type."""
        if index not in self.layers:
            # Zeros, not empty: padded values meet weights of exactly 0, and 0 * NaN is NaN.
            shape = (self.count, like.shape[1], self.length, like.shape[2])
            dtype = torch.float32 if like.device.type == "cpu" else like.dtype
            keys, values = (like.new_zeros(shape, dtype=dtype) for _ in range(2))
            if self.turned:
                keys = keys.view(*shape[:2], shape[3], shape[2]).transpose(2, 3)
            self.layers[index] = keys, values
        return self.layers[index]

    def take(self, entry: int, used: int) -> dict[int, tuple[Tensor, Tensor]]:
        """Copies of an entry's first `used` positions, per layer: [H, used, D] each."""
        return {
            index: (keys[entry, :, :used].clone(), values[entry, :, :used].clone())
            for index, (keys, values) in self.layers.items()
        }

    def put(self, entry: int, taken: dict[int, tuple[Tensor, Tensor]]) -> None:
        """Copy back what `take` gave."""
        for index, (own_keys, own_values) in taken.items():
            keys, values = self.layers[index]
            keys[entry, :, : own_keys.shape[1]] = own_keys
            values[entry, :, : own_values.shape[1]] = own_values

    def move(self, source: int, target: int, used: int) -> None:
        """Copy one entry over another, its first `used` positions."""
        for keys, values in self.layers.values():
            keys[target, :, :used] = keys[source, :, :used]
            values[target, :, :used] = values[source, :, :used]
