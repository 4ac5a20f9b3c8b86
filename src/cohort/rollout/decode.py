"""The sampler's layouts: computing prompts once, and one decode step of all live answers."""

from __future__ import annotations

import torch
from torch import Tensor

from cohort.data.packing import Row
from cohort.policy import native
from cohort.policy.attention import Packed
from cohort.policy.bent import Bent
from cohort.policy.panels import Panels
from cohort.rollout.slots import Slots
from cohort.rollout.two_parts import Fused, Grid, Masked


class Prefilling:
    """Prompts in one packed row; their keys and values stay in the slots."""

    def __init__(self, row: Row, slots: Slots, places: list[int], device: torch.device) -> None:
        self._packed = Packed(row, device)
        self.takes_all = False
        self.longest = self._packed.longest
        self._slots = slots
        self._places = torch.tensor(places, device=device)

    def attend(
        self,
        layer: int,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        *,
        scale: float,
        window: int,
        bent: Bent | None = None,
    ) -> Tensor:
        """See policy.attention.Layout."""
        keys, values = self._slots.prefix.layer(layer, key)
        block = self._packed.prefix
        keys[self._places, :, : block.width] = block.take(key).to(keys.dtype)
        values[self._places, :, : block.width] = block.take(value).to(values.dtype)
        return self._packed.attend(layer, query, key, value, scale=scale, window=window, bent=bent)


class Stepping:
    """One token of every live answer, by one compiled call. Valid until an answer comes or goes."""

    takes_all = True

    def __init__(self, slots: Slots, panels: Panels) -> None:
        self.version, self.longest = slots.version, slots.longest
        self._slots, self._panels, self._live = slots, panels, slots.live
        self._place = torch.tensor(slots.places())
        self._order = self._place.argsort(stable=True)
        self._threads = min(torch.get_num_threads(), self._live)
        heads, hidden = panels.heads, len(panels.last_norm)
        like = torch.empty(0, heads.key, heads.width)
        self._addresses = torch.tensor(
            [
                [*layer.addresses(), *(cache.data_ptr() for cache in slots.caches(number, like))]
                for number, layer in enumerate(panels.layers)
            ]
        )
        query, joint = heads.query * heads.width, (heads.query + 2 * heads.key) * heads.width
        widths = (hidden, joint, query, query, 2 * panels.feed_forward, panels.feed_forward)
        self._work = [torch.empty(self._live, width) for width in widths]
        longest = slots.prefix.length + slots.suffix.length
        self._scores = torch.empty(self._threads, native.TOGETHER, longest)

    def advance(self) -> None:
        """A step begins: all that changes with it is in the slots."""

    def step(self, x: Tensor, positions: Tensor) -> Tensor:
        """See policy.attention.WholeLayout."""
        slots, panels, heads, wide = self._slots, self._panels, self._panels.heads, x.float()
        native.call(
            "decode_step", wide, self._addresses, len(panels.layers), panels.last_norm, *panels.tables,
            positions, self._order, self._place, slots.offsets, slots.lengths, heads.scale,
            panels.epsilon, *self._work, self._scores, self._live, x.shape[1],
            panels.feed_forward, heads.query, heads.key, heads.width, slots.prefix.length,
            slots.suffix.length, self._threads, panels.narrow,
        )  # fmt: skip
        return wide.to(x.dtype)

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, *, scale: float, window: int
    ) -> Tensor:
        """Never asked of a layout that takes all."""
        raise NotImplementedError("a compiled step attends by itself")


class Decoding:
    """The same by torch's operations, a layer's attention at a time."""

    takes_all = False

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self.version = slots.version
        self.longest = slots.longest
        self._live = slots.live
        spans = slots.answer_lengths()
        self._ahead = max(spans) - slots.clock
        self._ragged = min(spans) < max(spans)
        grid = Grid(slots)
        self._masked = Masked(slots, grid)
        self._fused = Fused(slots, grid) if slots.offsets.device.type == "cpu" else None

    def advance(self) -> None:
        """A step begins: every live answer has one token more than in the last."""
        slots = self._slots
        self._span = self._ahead + slots.clock
        self._hidden: Tensor | None = None
        if self._ragged:
            self._hidden = slots.steps[: self._span] >= slots.lengths[:, None]

    def attend(
        self,
        layer: int,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        *,
        scale: float,
        window: int,
        bent: Bent | None = None,
    ) -> Tensor:
        """See policy.attention.Layout."""
        self._write(layer, key, value)
        if bent is None and self._fused is not None and not 0 < window < self.longest:
            return self._fused.attend(layer, query, key.shape[1], scale, self._hidden, self._span)
        hidden = self._within(window)
        return self._masked.attend(
            layer, query, key, scale=scale, window=window, hidden=hidden, t=self._span, bent=bent
        )

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
