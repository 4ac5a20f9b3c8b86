"""The sampler's two layouts: computing prompts once, and one decode step of all live answers."""

from __future__ import annotations

import torch
from torch import Tensor

from cohort.data.packing import Row
from cohort.policy import native
from cohort.policy.attention import Heads, Packed
from cohort.rollout.slots import Slots
from cohort.rollout.two_parts import Fused, Grid, Masked


class Prefilling:
    """Prompts in one packed row; their keys and values stay in the slots."""

    def __init__(self, row: Row, slots: Slots, places: list[int], device: torch.device) -> None:
        self._packed = Packed(row, device)
        self.takes_mixed = False
        self.longest = self._packed.longest
        self._slots = slots
        self._places = torch.tensor(places, device=device)

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, *, scale: float, window: int
    ) -> Tensor:
        """See policy.attention.Layout."""
        keys, values = self._slots.prefix.layer(layer, key)
        block = self._packed.prefix
        keys[self._places, :, : block.width] = block.take(key).to(keys.dtype)
        values[self._places, :, : block.width] = block.take(value).to(values.dtype)
        return self._packed.attend(layer, query, key, value, scale=scale, window=window)


class Decoding:
    """One token of every live answer. Valid until an answer comes or goes."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self.version = slots.version
        self.longest = slots.longest
        self.takes_mixed = slots.native
        self._live = slots.live
        if slots.native:
            self._place = torch.tensor(slots.places())
            self._order = self._place.argsort(stable=True)
            self._threads = min(torch.get_num_threads(), self._live)
            longest = slots.prefix.length + slots.suffix.length
            self._scratch = torch.empty(self._threads, native.TOGETHER, longest)
            return
        spans = slots.answer_lengths()
        self._ahead = max(spans) - slots.clock
        self._ragged = min(spans) < max(spans)
        grid = Grid(slots)
        self._masked = Masked(slots, grid)
        self._fused = Fused(slots, grid) if slots.offsets.device.type == "cpu" else None

    def advance(self) -> None:
        """A step begins: every live answer has one token more than in the last."""
        slots = self._slots
        if self.takes_mixed:
            self._column = slots.lengths - 1
            return
        self._span = self._ahead + slots.clock
        self._hidden: Tensor | None = None
        if self._ragged:
            self._hidden = slots.steps[: self._span] >= slots.lengths[:, None]

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, *, scale: float, window: int
    ) -> Tensor:
        """See policy.attention.Layout."""
        self._write(layer, key, value)
        if self._fused is not None and not 0 < window < self.longest:
            return self._fused.attend(layer, query, key.shape[1], scale, self._hidden, self._span)
        hidden = self._within(window)
        return self._masked.attend(
            layer, query, key, scale=scale, window=window, hidden=hidden, t=self._span
        )

    def attend_mixed(
        self,
        layer: int,
        mixed: Tensor,
        heads: Heads,
        tables: tuple[Tensor, Tensor],
        positions: Tensor,
    ) -> Tensor:
        """See policy.attention.MixedLayout."""
        slots, live, width = self._slots, self._live, heads.width
        sizes = (live, heads.query, heads.key, width)
        like = mixed.view(live, -1, width)[:, : heads.key]
        theirs, own = slots.prefix.layer(layer, like), slots.suffix.layer(layer, like)
        query = mixed.new_empty(live, heads.query, width, dtype=torch.float32)
        narrow = mixed.dtype == torch.bfloat16
        native.call(
            "decode_enter", mixed, heads.query_norm, heads.key_norm, heads.epsilon, *tables,
            positions, self._column, heads.scale, query, *own, *sizes, slots.suffix.length,
            self._threads, narrow,
        )  # fmt: skip
        out = mixed.new_empty(live, heads.query * width)
        native.call(
            "decode_attend", query, *theirs, *own, self._order, self._place, slots.offsets,
            slots.lengths, self._scratch, out, *sizes, slots.prefix.length, slots.suffix.length,
            self._threads, narrow,
        )  # fmt: skip
        return out

    def _write(self, layer: int, key: Tensor, value: Tensor) -> None:
        """Keep the keys and values of the latest tokens."""
        slots = self._slots
        keys, values = slots.suffix.layer(layer, key)
        if self._ragged:
            lanes, last = slots.index[: self._live], slots.lengths - 1
            keys[lanes, :, last] = key.to(keys.dtype)
            values[lanes, :, last] = value.to(values.dtype)
        else:
            keys[: self._live, :, self._span - 1] = key
            values[: self._live, :, self._span - 1] = value

    def _within(self, window: int) -> Tensor | None:
        """What is hidden of the answers themselves, that which a window has left behind included."""
        if not 0 < window < self._span:
            return self._hidden
        slots = self._slots
        far = slots.steps[: self._span] < (slots.lengths - window)[:, None]
        return far if self._hidden is None else self._hidden | far
