"""Attention of live answers to their prompts and to themselves, as two parts put together.

A prompt's keys are read once for all answers of its group, as one matrix product; the two softmaxes
are merged by their sums, which gives the same as one pass over both (Juravsky et al. 2024,
"Hydragen"). `Fused` uses torch's attention kernel for the CPU, which hands out its log-sum-exp;
`Masked` knows sliding windows and runs anywhere.

    B live answers on n prompts, W answers at most on one prompt, Hq query and H key heads of width D.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cohort.policy.bent import Bent, capped
from cohort.rollout.slots import Slots

_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu


class Grid:
    """Which live answers belong to which prompt, as a table [n, W]; short lines repeat answer 0."""

    def __init__(self, slots: Slots) -> None:
        device = slots.offsets.device
        lengths = slots.prompt_lengths()
        self.prompts = len(lengths)
        members: list[list[int]] = [[] for _ in range(self.prompts)]
        back = []
        for lane, place in enumerate(slots.places()):
            back.append((place, len(members[place])))
            members[place].append(lane)
        self.width = max(len(lanes) for lanes in members)
        table = [lanes + [0] * (self.width - len(lanes)) for lanes in members]
        self.lanes = torch.tensor(table, device=device).flatten()
        self.back = torch.tensor([p * self.width + w for p, w in back], device=device)
        self.longest_prompt = max(lengths)
        self.index = torch.arange(self.longest_prompt, device=device)
        self.unseen: Tensor | None = None
        """Padded positions of prompts, [n, 1, 1, P]; None where all are equally long."""
        if min(lengths) < self.longest_prompt:
            ends = torch.tensor(lengths, device=device)[:, None]
            self.unseen = (self.index >= ends)[:, None, None, :]


class Fused:
    """Both parts by torch's kernel for the CPU, without copies of scores.

    The query heads that share a key head are as many queries of it, so that a key is read once.
    """

    def __init__(self, slots: Slots, grid: Grid) -> None:
        self._slots, self._grid, self._live = slots, grid, slots.live
        self._back: Tensor | None = None
        self._asked: Tensor | None = None
        self._prompt_mask: Tensor | None = None

    def attend(
        self, layer: int, query: Tensor, heads: int, scale: float, hidden: Tensor | None, t: int
    ) -> Tensor:
        """query [B, Hq, D] -> [B, Hq, D]; hidden [B, t] are the answers' tokens not to be seen."""
        wide = query.float().contiguous()
        own, own_total = self._own(layer, wide, heads, scale, hidden, t)
        theirs, total = self._prompts(layer, wide, heads, scale)
        share = torch.sigmoid(total - own_total)[:, None]
        return torch.lerp(own, theirs, share).view(query.shape).to(query.dtype)

    def _own(
        self, layer: int, query: Tensor, heads: int, scale: float, hidden: Tensor | None, t: int
    ) -> tuple[Tensor, Tensor]:
        keys, values = self._slots.suffix.layers[layer]
        out, total = _flash(
            query.view(self._live, heads, -1, query.shape[-1]),
            keys[: self._live, :, :t],
            values[: self._live, :, :t],
            attn_mask=None if hidden is None else self._own_mask(hidden, query.shape[1] // heads),
            scale=scale,
        )
        return out.view(-1, query.shape[-1]), total.flatten()

    def _own_mask(self, hidden: Tensor, repeat: int) -> Tensor:
        return _additive(hidden[:, None, None, :]).expand(-1, 1, repeat, -1)

    def _prompts(
        self, layer: int, query: Tensor, heads: int, scale: float
    ) -> tuple[Tensor, Tensor]:
        """The prompts' part and its log-sum-exp, by answer and head: [B * Hq, D], [B * Hq]."""
        grid, width = self._grid, query.shape[-1]
        keys, values = self._slots.prefix.layers[layer]
        if self._back is None or self._asked is None:
            self._back, self._asked = self._prepare(query.shape[1], heads)
        asked = query.view(-1, width).index_select(0, self._asked)
        out, total = _flash(
            asked.view(grid.prompts, heads, -1, width),
            keys[: grid.prompts, :, : grid.longest_prompt],
            values[: grid.prompts, :, : grid.longest_prompt],
            attn_mask=self._prompt_mask,
            scale=scale,
        )
        out = out.view(-1, width).index_select(0, self._back)
        return out, total.flatten().index_select(0, self._back)

    def _prepare(self, query_heads: int, heads: int) -> tuple[Tensor, Tensor]:
        """From the prompts' part [n, H, W, Hq / H] to the answers' [B, Hq], and the other way."""
        grid, repeat = self._grid, query_heads // heads
        device = grid.lanes.device
        table = torch.arange(grid.prompts * query_heads * grid.width, device=device)
        table = table.view(grid.prompts, heads, grid.width, repeat).transpose(1, 2)
        back = table.reshape(-1, query_heads).index_select(0, grid.back).flatten()
        head = torch.arange(query_heads, device=device).view(heads, 1, repeat)
        lanes = grid.lanes.view(grid.prompts, 1, grid.width, 1)
        if grid.unseen is not None:
            mask = _additive(grid.unseen)
            self._prompt_mask = mask.expand(-1, 1, grid.width * repeat, -1)
        return back, (lanes * query_heads + head).flatten()


def _additive(hidden: Tensor) -> Tensor:
    return torch.zeros(hidden.shape, device=hidden.device).masked_fill_(hidden, -torch.inf)


@dataclass(frozen=True, slots=True)
class _Part:
    """Unnormalised attention over some of the keys: value sum [.., D], maximum and sum [.., 1]."""

    values: Tensor
    maximum: Tensor
    total: Tensor

    def joined(self, other: _Part) -> _Part:
        """Both parts as one."""
        maximum = torch.maximum(self.maximum, other.maximum)
        mine, theirs = (self.maximum - maximum).exp(), (other.maximum - maximum).exp()
        total = mine * self.total + theirs * other.total
        return _Part(mine * self.values + theirs * other.values, maximum, total)

    def attention(self, sinks: Tensor | None) -> Tensor:
        """The attention over the part's keys; a head's sink [H, q] takes its share and gives nothing."""
        total = self.total
        if sinks is not None:
            total = total + (sinks.float()[..., None] - self.maximum).exp()
        return self.values / total


class Masked:
    """Both parts by matrix products and masks: with a sliding window, and off the CPU."""

    def __init__(self, slots: Slots, grid: Grid) -> None:
        self._slots, self._grid, self._live = slots, grid, slots.live

    def attend(
        self,
        layer: int,
        query: Tensor,
        like: Tensor,
        *,
        scale: float,
        window: int,
        hidden: Tensor | None,
        t: int,
        bent: Bent | None,
    ) -> Tensor:
        """query [B, Hq, D] -> [B, Hq, D]; hidden [B, t] are the answers' tokens not to be seen."""
        keys, values = self._slots.suffix.layer(layer, like)
        cap, sinks = (bent.cap, bent.sinks) if bent is not None else (0.0, None)
        asked = query.to(keys.dtype) * scale
        grouped = asked.view(self._live, like.shape[1], -1, query.shape[-1])
        own = _attend(
            grouped,
            keys[: self._live, :, :t],
            values[: self._live, :, :t],
            None if hidden is None else hidden[:, None, None, :],
            cap=cap,
        )
        both = own.joined(self._prompts(layer, grouped, like, window=window, cap=cap))
        out = both.attention(None if sinks is None else sinks.view(like.shape[1], -1))
        return out.reshape(query.shape).to(query.dtype)

    def _prompts(
        self, layer: int, query: Tensor, like: Tensor, *, window: int, cap: float
    ) -> _Part:
        grid = self._grid
        keys, values = self._slots.prefix.layer(layer, like)
        heads, repeat, width = query.shape[1:]
        asked = query.index_select(0, grid.lanes)
        asked = asked.view(grid.prompts, grid.width, heads, repeat, width).transpose(1, 2)
        mask = self._beyond(window, repeat) if window else grid.unseen
        part = _attend(
            asked.reshape(grid.prompts, heads, -1, width),
            keys[: grid.prompts, :, : grid.longest_prompt],
            values[: grid.prompts, :, : grid.longest_prompt],
            mask,
            cap=cap,
        )
        return _Part(*(self._rows(t, repeat) for t in (part.values, part.maximum, part.total)))

    def _rows(self, tensor: Tensor, repeat: int) -> Tensor:
        """[n, H, W * repeat, x] back to the lanes: [B, H, repeat, x]."""
        grid, heads, last = self._grid, tensor.shape[1], tensor.shape[-1]
        table = tensor.view(grid.prompts, heads, grid.width, repeat, last).transpose(1, 2)
        return table.reshape(-1, heads, repeat, last).index_select(0, grid.back)

    def _beyond(self, window: int, repeat: int) -> Tensor:
        """Prompt keys that the sliding window of each answer has left behind, or that are padding."""
        slots, grid = self._slots, self._grid
        reach = (slots.offsets + slots.lengths - window).index_select(0, grid.lanes)
        far = grid.index < reach.view(grid.prompts, 1, grid.width, 1)
        far = far.repeat_interleave(repeat, dim=2)
        return far if grid.unseen is None else far | grid.unseen


def _attend(
    query: Tensor, keys: Tensor, values: Tensor, hidden: Tensor | None, *, cap: float
) -> _Part:
    """Attention over these keys alone, not yet divided by its sum; float32 inside.

    A row that sees none of the keys has a maximum of float32's lowest number, and so no share.
    """
    scores = capped((query @ keys.transpose(-1, -2)).float(), cap)
    if hidden is not None:
        scores = scores.masked_fill(hidden, torch.finfo(torch.float32).min)
    maximum = scores.amax(-1, keepdim=True)
    weights = (scores - maximum).exp()
    total = weights.sum(-1, keepdim=True)
    return _Part((weights.to(values.dtype) @ values).float(), maximum, total)
