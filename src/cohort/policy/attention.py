"""Attention over rows in which answers share their prompt, through transformers' attention hook.

Any decoder of transformers whose layers call the attention interface runs unmodified: its linear
layers see one packed row `[1, T]`, and only here is it known which token may look at which. A
layout says so; training uses `Packed`, the sampler brings its own.

On the CPU the tokens of prompts and of answers are gathered into padded blocks, attended with
`scaled_dot_product_attention`, and put back. What bends its scores (soft caps, sinks) is computed
score by score. Refused: dropout.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from cohort.data.packing import Row
from cohort.errors import ModelError
from cohort.policy.bent import Bent, bent_attention, same_width
from cohort.policy.flex import NARROWEST, Flex
from cohort.policy.shared import Sharing

NAME = "cohort"
OPTION = "cohort_layout"
"""What the layout is called on its way through a model's layers."""

_current: ContextVar[Layout | None] = ContextVar(OPTION, default=None)


class Layout(Protocol):
    """Which token of a row sees which: one object per forward pass."""

    longest: int
    """No sequence of the row has more positions."""
    takes_all: bool
    """Whether this is a WholeLayout, which does all layers by itself."""

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, *, scale: float, window: int
    ) -> Tensor:
        """query [T, Hq, D], key and value [T, Hkv, D] -> [T, Hq, D]; window 0: no limit."""


@dataclass(frozen=True, slots=True)
class Heads:
    """A layer's heads: `query` of them and `key`, `width` wide each; their norms' weights [width]."""

    query: int
    key: int
    width: int
    query_norm: Tensor | None
    key_norm: Tensor | None
    epsilon: float
    scale: float


class WholeLayout(Layout, Protocol):
    """A layout that takes embeddings through all layers."""

    def step(self, x: Tensor, positions: Tensor) -> Tensor:
        """[T, d], [T] -> [T, d]."""


@contextmanager
def laid_out(layout: Layout) -> Iterator[dict[str, Layout]]:
    """The option that tells a model's layers of a layout; for those that do not hand it on to their
    attention, it is known to this thread as well."""
    before = _current.set(layout)
    try:
        yield {OPTION: layout}
    finally:
        _current.reset(before)


def install() -> None:
    """Make the hook known to transformers under its name; doing it twice changes nothing."""
    AttentionInterface.register(NAME, _hook)


def _hook(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: object,
) -> tuple[Tensor, None]:
    """What every attention layer calls: tensors [1, H, T, D] in, [1, T, H, D] out.

    Layouts of models that are not written out are told of `bent` scores; no others have any.
    """
    layout: Any = options.get(OPTION) or _current.get()
    if layout is None:
        raise ModelError(
            "this model's attention is in Cohort's hands and was called without a layout",
            "load the saved folder with AutoModelForCausalLM to use it on its own",
        )
    if options.get("dropout"):
        raise ModelError("the attention of this model has dropout, which is not supported")
    width = value.shape[-1]
    scale = options.get("scaling") or 1.0 / math.sqrt(query.shape[-1])
    bent = Bent.of(options.get("softcap"), options.get("s_aux"))
    query, key, value = same_width(query, key, value)
    out = layout.attend(
        module.layer_idx,
        query[0].transpose(0, 1),
        key[0].transpose(0, 1),
        value[0].transpose(0, 1),
        scale=scale,
        window=options.get("sliding_window") or 0,
        **({} if bent is None else {"bent": bent}),
    )
    return out[..., :width].unsqueeze(0), None


class Packed:
    """The layout of a training row: prompts see themselves, answers their prompt and themselves."""

    takes_all = False

    def __init__(self, row: Row, device: torch.device) -> None:
        self._row, self._device = row, device
        self.prefix = _Block(row.prefix_starts, row.prefix_lengths, device)
        self.longest = int(row.positions.max()) + 1
        self._sharing = Sharing(row) if device.type == "cpu" else None
        self._flex = Flex(row, device) if device.type == "cuda" else None
        self._masked: _Masked | None = None

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
        """See Layout. Keys of a prompt are copied to its answers where that cannot be avoided only."""
        if bent is None and self._sharing is not None and not 0 < window < self.longest:
            return self._sharing.attend(query, key, value, scale=scale)
        if bent is None and self._flex is not None and query.shape[-1] >= NARROWEST:
            return self._flex.attend(query, key, value, scale=scale, window=window)
        if self._masked is None:
            self._masked = _Masked(self._row, self.prefix, self._device)
        return self._masked.attend(query, key, value, scale=scale, window=window, bent=bent)


class _Masked:
    """The same with a mask, each answer beside a copy of its prompt: for windows, and off CPU and CUDA."""

    def __init__(self, row: Row, prefix: _Block, device: torch.device) -> None:
        self.prefix = prefix
        prefixes, suffixes = len(row.prefix_lengths), len(row.suffix_lengths)
        self._suffix = _Block(row.suffix_starts, row.suffix_lengths, device) if suffixes else None
        self._causal = _CausalMask(self.prefix)
        back = np.empty(len(row.tokens), dtype=np.int64)
        back[self.prefix.flat] = np.flatnonzero(self.prefix.real)
        if self._suffix is not None:
            back[self._suffix.flat] = prefixes * self.prefix.width + np.flatnonzero(
                self._suffix.real
            )
            self._parent = torch.from_numpy(row.suffix_parent).to(device)
            self._mask = _SuffixMask(self._suffix, self.prefix.lengths[self._parent], self.prefix)
        self._back = torch.from_numpy(back).to(device)

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        *,
        scale: float,
        window: int,
        bent: Bent | None,
    ) -> Tensor:
        """See Layout."""
        prefix_key, prefix_value = self.prefix.take(key), self.prefix.take(value)
        rows = [
            _attend(
                self.prefix.take(query),
                prefix_key,
                prefix_value,
                mask=self._causal.within(window),
                scale=scale,
                bent=bent,
            )
        ]
        if self._suffix is not None:
            keys = torch.cat((prefix_key[self._parent], self._suffix.take(key)), dim=2)
            values = torch.cat((prefix_value[self._parent], self._suffix.take(value)), dim=2)
            rows.append(
                _attend(
                    self._suffix.take(query),
                    keys,
                    values,
                    mask=self._mask.within(window),
                    scale=scale,
                    bent=bent,
                )
            )
        flat = torch.cat([r.transpose(1, 2).flatten(0, 1) for r in rows])
        return flat.index_select(0, self._back)


class _Block:
    """Segments of a row as a padded block [n, width]: where each real cell is in the row."""

    def __init__(self, starts: np.ndarray, lengths: np.ndarray, device: torch.device) -> None:
        self.width = int(lengths.max())
        column = np.arange(self.width)
        self.real = column[None, :] < lengths[:, None]
        index = np.where(self.real, starts[:, None] + column[None, :], 0)
        self.flat = index[self.real]
        self.count = len(starts)
        self.lengths = torch.from_numpy(lengths).to(device)
        self._index = torch.from_numpy(index.reshape(-1)).to(device)

    def take(self, tensor: Tensor) -> Tensor:
        """[T, H, D] -> [n, H, width, D]; padding repeats the row's first token."""
        block = tensor.index_select(0, self._index)
        return block.view(self.count, self.width, *tensor.shape[1:]).transpose(1, 2)


class _CausalMask:
    """A prompt's own mask: None means plain causal, which needs none since padding comes last."""

    def __init__(self, prompts: _Block) -> None:
        self._width = prompts.width
        self._device = prompts.lengths.device

    def within(self, window: int) -> Tensor | None:
        if not window or window >= self._width:
            return None
        position = torch.arange(self._width, device=self._device)
        distance = position[:, None] - position[None, :]
        return ((distance >= 0) & (distance < window))[None, None]


class _SuffixMask:
    """An answer's mask over [its prompt, padded | itself, padded]: bool [m, 1, A, P + A]."""

    def __init__(self, suffix: _Block, prompt: Tensor, prefix: _Block) -> None:
        device = prompt.device
        answer = torch.arange(suffix.width, device=device)
        before = torch.arange(prefix.width, device=device)
        in_prompt = (before[None, :] < prompt[:, None])[:, None, :].expand(-1, suffix.width, -1)
        in_answer = (answer[:, None] >= answer[None, :])[None].expand(suffix.count, -1, -1)
        self._full = torch.cat((in_prompt, in_answer), dim=2)[:, None]
        self._prompt, self._before, self._answer = prompt, before, answer
        self._longest = prefix.width + suffix.width

    def within(self, window: int) -> Tensor:
        if not window or window >= self._longest:
            return self._full
        query = self._prompt[:, None] + self._answer[None, :]
        key = torch.cat((self._before.expand(len(self._prompt), -1), query), dim=1)
        near = query[:, :, None] - key[:, None, :] < window
        return self._full & near[:, None]


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    mask: Tensor | None,
    scale: float,
    bent: Bent | None,
) -> Tensor:
    if bent is not None:
        return bent_attention(query, key, value, mask=mask, scale=scale, bent=bent)
    return scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        is_causal=mask is None,
        scale=scale,
        enable_gqa=key.shape[1] != query.shape[1],
    )
