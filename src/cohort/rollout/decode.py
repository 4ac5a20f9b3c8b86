"""The sampler's two layouts: computing prompts once, and one decode step of all live answers.

In a decode step every answer attends to its prompt, whose keys are read once for all answers of the
group as one matrix product, and to its own tokens. The two parts are merged by their maxima and
sums, which gives the same softmax as one pass over both (Juravsky et al. 2024, "Hydragen").

    B live answers on n prompts, W answers at most on one prompt, Hq query and H key heads.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cohort.data.packing import Row
from cohort.policy.attention import Packed
from cohort.rollout.slots import Slots


class Prefilling:
    """Prompts in one packed row; their keys and values stay in the slots."""

    def __init__(self, row: Row, slots: Slots, places: list[int], device: torch.device) -> None:
        self._packed = Packed(row, device)
        self._slots = slots
        self._places = torch.tensor(places, device=device)

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, *, scale: float, window: int
    ) -> Tensor:
        """See policy.attention.Layout."""
        keys, values = self._slots.prefix.layer(layer, key)
        block = self._packed.prefix
        keys[self._places, :, : block.width] = block.take(key)
        values[self._places, :, : block.width] = block.take(value)
        return self._packed.attend(layer, query, key, value, scale=scale, window=window)


@dataclass(frozen=True, slots=True)
class _Part:
    """Unnormalised attention over some of the keys: value sum [.., D], maximum and sum [.., 1]."""

    values: Tensor
    maximum: Tensor
    total: Tensor

    def merge(self, other: _Part) -> Tensor:
        """The attention over the keys of both parts."""
        maximum = torch.maximum(self.maximum, other.maximum)
        mine, theirs = (self.maximum - maximum).exp(), (other.maximum - maximum).exp()
        total = mine * self.total + theirs * other.total
        return (mine * self.values + theirs * other.values) / total


class Decoding:
    """One token of every live answer. Valid until an answer comes or goes."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self.version = slots.version
        self._live = slots.live
        device = slots.offsets.device
        places = slots.places()
        self._prompts = len(slots.prompt_lengths())
        members: list[list[int]] = [[] for _ in range(self._prompts)]
        back = []
        for lane, place in enumerate(places):
            back.append((place, len(members[place])))
            members[place].append(lane)
        self._width = max(len(lanes) for lanes in members)
        grid = [lanes + [0] * (self._width - len(lanes)) for lanes in members]
        self._grid = torch.tensor(grid, device=device).flatten()
        self._back = torch.tensor([p * self._width + w for p, w in back], device=device)
        lengths = torch.tensor(slots.prompt_lengths(), device=device)
        self._longest_prompt = max(slots.prompt_lengths())
        self._prefix_index = torch.arange(self._longest_prompt, device=device)
        self._short_prompts = None
        if min(slots.prompt_lengths()) < self._longest_prompt:
            self._short_prompts = (self._prefix_index >= lengths[:, None])[:, None, None, :]
        spans = slots.answer_lengths()
        self._ahead = max(spans) - slots.clock
        self._ragged = min(spans) < max(spans)

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, *, scale: float, window: int
    ) -> Tensor:
        """See policy.attention.Layout."""
        heads = key.shape[1]
        grouped = (query * scale).view(self._live, heads, -1, query.shape[-1])
        suffix = self._suffix(layer, grouped, key, value, window)
        prefix = self._prefix(layer, grouped, key, window)
        return suffix.merge(prefix).reshape(query.shape).to(query.dtype)

    def _suffix(self, layer: int, query: Tensor, key: Tensor, value: Tensor, window: int) -> _Part:
        slots = self._slots
        keys, values = slots.suffix.layer(layer, key)
        lanes, lengths = slots.index[: self._live], slots.lengths
        keys[lanes, :, lengths - 1] = key
        values[lanes, :, lengths - 1] = value
        longest = self._ahead + slots.clock
        hidden = None
        if self._ragged:
            hidden = slots.steps[:longest] >= lengths[:, None]
        if window and window < longest:
            far = slots.steps[:longest] < (lengths - window)[:, None]
            hidden = far if hidden is None else hidden | far
        mask = None if hidden is None else hidden[:, None, None, :]
        return _attend(
            query, keys[: self._live, :, :longest], values[: self._live, :, :longest], mask
        )

    def _prefix(self, layer: int, query: Tensor, like: Tensor, window: int) -> _Part:
        keys, values = self._slots.prefix.layer(layer, like)
        heads, repeat, width = query.shape[1:]
        asked = query.index_select(0, self._grid)
        asked = asked.view(self._prompts, self._width, heads, repeat, width).transpose(1, 2)
        mask = self._short_prompts
        if window:
            mask = self._beyond(window, repeat, mask)
        part = _attend(
            asked.reshape(self._prompts, heads, -1, width),
            keys[: self._prompts, :, : self._longest_prompt],
            values[: self._prompts, :, : self._longest_prompt],
            mask,
        )
        return _Part(*(self._rows(t, repeat) for t in (part.values, part.maximum, part.total)))

    def _rows(self, tensor: Tensor, repeat: int) -> Tensor:
        """[n, H, W * repeat, x] back to the lanes: [B, H, repeat, x]."""
        heads, last = tensor.shape[1], tensor.shape[-1]
        grid = tensor.view(self._prompts, heads, self._width, repeat, last).transpose(1, 2)
        return grid.reshape(-1, heads, repeat, last).index_select(0, self._back)

    def _beyond(self, window: int, repeat: int, mask: Tensor | None) -> Tensor | None:
        """Prompt keys that the sliding window of each answer has left behind."""
        slots = self._slots
        reach = (slots.offsets + slots.lengths - window).index_select(0, self._grid)
        far = self._prefix_index < reach.view(self._prompts, 1, self._width, 1)
        far = far.repeat_interleave(repeat, dim=2)
        return far if mask is None else far | mask


def _attend(query: Tensor, keys: Tensor, values: Tensor, hidden: Tensor | None) -> _Part:
    """Attention over these keys alone, not yet divided by its sum; float32 inside.

    A row that sees none of the keys has a maximum of float32's lowest number, and so no share.
    """
    scores = (query @ keys.transpose(-1, -2)).float()
    if hidden is not None:
        scores = scores.masked_fill(hidden, torch.finfo(torch.float32).min)
    maximum = scores.amax(-1, keepdim=True)
    weights = (scores - maximum).exp()
    total = weights.sum(-1, keepdim=True)
    return _Part((weights.to(values.dtype) @ values).float(), maximum, total)
