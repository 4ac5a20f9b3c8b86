"""Attention in which answers share their prompt's keys, with its gradient, on the CPU.

Softmax over the keys of a prompt and of an answer is put together from its two parts by their
log-sum-exp (Juravsky et al. 2024, "Hydragen"; the same identity as in Dao et al. 2022): keys and
values of a prompt are read where they are, once for all its answers, instead of once for each. The
gradient of a part needs nothing but the whole's output and log-sum-exp, so each part's own backward
pass, given those of the whole, yields exactly its share.

Three kinds of parts: prompts on themselves; all answers of a prompt on it; answers on themselves, in
blocks of similar length. Where there are compiled kernels they do the same from one pass over both
parts, without blocks that have to be gathered and padded (`native/row.c`).

    T tokens of a row, Hq query and Hk key heads of width D.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cohort.data.packing import Row
from cohort.policy import native
from cohort.policy.buffers import empty

_forward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward

UNSEEN = 1e30
"""The log-sum-exp of a padded query: its weights, exp(score - this), are exactly 0."""

BLOCKS = 4
"""Into how many blocks of similar length the answers of a row are cut at most."""

Ints = NDArray[np.int64]


class Cells:
    """Tokens of a row as a padded block [n, width]; `flat` are the tokens of its real cells in order."""

    def __init__(self, tokens: Sequence[Ints], *, zero: int) -> None:
        self.count, self.width = len(tokens), max(len(part) for part in tokens)
        index = np.full((self.count, self.width), zero, dtype=np.int64)
        for line, part in zip(index, tokens, strict=True):
            line[: len(part)] = part
        real = index != zero
        self.ragged = not real.all()
        self.index = torch.from_numpy(index.reshape(-1))
        self.flat = torch.from_numpy(index[real])
        self.places = torch.from_numpy(np.flatnonzero(real))
        self.hidden = torch.from_numpy(~real)

    def take(self, tensor: Tensor) -> Tensor:
        """[T + 1, H, D] -> [n, H, width, D]; padding is the last row, which is zero."""
        block = tensor.index_select(0, self.index)
        return block.view(self.count, self.width, *tensor.shape[1:]).transpose(1, 2)

    def give(self, block: Tensor) -> Tensor:
        """[n, H, width, D] -> the real cells in the order of `flat`: [len(flat), H, D]."""
        lines = block.transpose(1, 2).flatten(0, 1)
        return lines.index_select(0, self.places) if self.ragged else lines


@dataclass(frozen=True, slots=True)
class _Part:
    """Queries and the keys they see: blocks with as many lines each; causal, or all of a line."""

    queries: Cells
    keys: Cells
    causal: bool

    def mask(self, like: Tensor) -> Tensor | None:
        """What hides padded keys from queries that come after them: [n, 1, queries, keys]."""
        if self.causal or not self.keys.ragged:
            return None
        mask = like.new_zeros(self.keys.hidden.shape).masked_fill_(self.keys.hidden, -torch.inf)
        return mask[:, None, None, :].expand(-1, 1, self.queries.width, -1)


class Sharing:
    """Attention of one training row."""

    def __init__(self, row: Row) -> None:
        self._row = row

    @cached_property
    def _families(self) -> _Families:
        return _Families(self._row)

    @cached_property
    def _parts(self) -> _Parts:
        return _Parts(self._row)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, *, scale: float) -> Tensor:
        """query [T, Hq, D], key and value [T, Hk, D] -> [T, Hq, D]."""
        if native.suits_strided(query, key, value):
            apply = cast(Callable[..., Tensor], _Compiled.apply)
            return apply(query, key, value, self._families, scale)
        apply = cast(Callable[..., Tensor], _Shared.apply)
        return apply(query, key, value, self._parts, scale)


class _Parts:
    """The parts of a row, padded."""

    def __init__(self, row: Row) -> None:
        zero = len(row.tokens)
        prompts = _ranges(row.prefix_starts, row.prefix_lengths)
        prompt_cells = Cells(prompts, zero=zero)
        own = [_Part(prompt_cells, prompt_cells, causal=True)]
        self.tokens = zero
        self.across: _Part | None = None
        if len(row.suffix_lengths):
            answers = _ranges(row.suffix_starts, row.suffix_lengths)
            own += [_Part(cells, cells, causal=True) for cells in _blocks(answers, zero)]
            parents = sorted(set(row.suffix_parent.tolist()))
            asked = [
                np.concatenate([answers[i] for i in np.flatnonzero(row.suffix_parent == parent)])
                for parent in parents
            ]
            seen = Cells([prompts[parent] for parent in parents], zero=zero)
            self.across = _Part(Cells(asked, zero=zero), seen, causal=False)
        self.own = tuple(own)


class _Families:
    """Where each prompt of a row and each of its answers begins and how long it is, for the kernels."""

    def __init__(self, row: Row) -> None:
        order = np.argsort(row.suffix_parent, kind="stable")
        counts = np.bincount(row.suffix_parent, minlength=len(row.prefix_lengths))
        self.count = len(row.prefix_lengths)
        self.prompts = torch.from_numpy(np.stack((row.prefix_starts, row.prefix_lengths), 1))
        answers = np.stack((row.suffix_starts, row.suffix_lengths), 1)
        self.answers = torch.from_numpy(np.ascontiguousarray(answers[order]))
        self.first = torch.from_numpy(np.concatenate(([0], np.cumsum(counts))))
        longest = (
            int(lengths.max(initial=0)) for lengths in (row.prefix_lengths, row.suffix_lengths)
        )
        self.longest = sum(native.whole_blocks(length) for length in longest)
        """Keys that a query can see, the prompt's and its answer's, each in whole blocks."""


class _Compiled(torch.autograd.Function):
    """Attention of a row by compiled kernels. Kept for the gradient: what went in, what came out."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, families: _Families, scale: float
    ) -> Tensor:
        ctx.dtype = query.dtype
        query, key, value = query.float(), key.float(), value.float()
        out = empty(query.shape, query)
        total = query.new_empty(query.shape[:2])
        _row_attention(query, key, value, families, scale, out, total, None)
        ctx.save_for_backward(query, key, value, out, total)
        ctx.families, ctx.scale = families, scale
        return out.to(ctx.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, out, total = ctx.saved_tensors
        slope = gradients[0].float().contiguous()
        of = tuple(empty(tensor.shape, tensor) for tensor in (query, key, value))
        _row_attention(query, key, value, ctx.families, ctx.scale, out, total, slope, *of)
        return *(tensor.to(ctx.dtype) for tensor in of), None, None


def _row_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    families: _Families,
    scale: float,
    out: Tensor,
    total: Tensor,
    slope: Tensor | None,
    *of: Tensor,
) -> None:
    heads, width, longest = key.shape[1], query.shape[2], families.longest
    wide = native.whole_blocks(width)
    size = 6 * wide * longest + native.LINES * (3 * wide + 2 * native.KEYS)
    threads = min(torch.get_num_threads(), families.count * heads)
    native.call(
        "row_attention", query, key, value,
        torch.tensor([tensor.stride(0) for tensor in (query, key, value)]),
        families.prompts, families.first, families.answers, scale, out, total, slope,
        *(of or (None, None, None)), query.new_empty(threads, size), size, families.count,
        query.shape[1], heads, width, threads,
    )  # fmt: skip


class _Shared(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, sharing: _Parts, scale: float
    ) -> Tensor:
        dtype = query.dtype
        query, key, value = (_with_zero(tensor) for tensor in (query, key, value))
        out = torch.zeros_like(query)
        total = query.new_full(query.shape[:2], UNSEEN)
        for part in sharing.own:
            _put(part.queries, (out, total), _attend(part, query, key, value, scale))
        if sharing.across is not None:
            cells = sharing.across.queries
            theirs, their_total = _attend(sharing.across, query, key, value, scale)
            mine, my_total = out.index_select(0, cells.flat), total.index_select(0, cells.flat)
            share = torch.sigmoid(their_total - my_total)[..., None]
            out[cells.flat] = torch.lerp(mine, theirs, share)
            total[cells.flat] = torch.logaddexp(my_total, their_total)
        ctx.save_for_backward(query, key, value, out, total)
        ctx.sharing, ctx.scale, ctx.dtype = sharing, scale, dtype
        return out[: sharing.tokens].to(dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, out, total = ctx.saved_tensors
        gradient = _with_zero(gradients[0])
        sharing: _Parts = ctx.sharing
        of = tuple(torch.empty_like(tensor) for tensor in (query, key, value))
        whole = (query, key, value, gradient, out, total)
        for part in sharing.own:
            parts = _gradients(part, whole, ctx.scale)
            for target, cells, own in zip(of, _three(part), parts, strict=True):
                target[cells.flat] = cells.give(own)
        if sharing.across is not None:
            parts = _gradients(sharing.across, whole, ctx.scale)
            for target, cells, own in zip(of, _three(sharing.across), parts, strict=True):
                target.index_add_(0, cells.flat, cells.give(own))
        return *(target[: sharing.tokens].to(ctx.dtype) for target in of), None, None


def _attend(
    part: _Part, query: Tensor, key: Tensor, value: Tensor, scale: float
) -> tuple[Tensor, Tensor]:
    """The part's attention on its own and its log-sum-exp, of real cells: [c, Hq, D], [c, Hq]."""
    out, total = _forward(
        part.queries.take(query),
        part.keys.take(key),
        part.keys.take(value),
        0.0,
        part.causal,
        attn_mask=part.mask(query),
        scale=scale,
    )
    return part.queries.give(out), part.queries.give(total[..., None])[..., 0]


def _gradients(part: _Part, whole: tuple[Tensor, ...], scale: float) -> tuple[Tensor, ...]:
    """The part's share of the gradients of query, key and value, as blocks."""
    query, key, value, gradient, out, total = whole
    found = _backward(
        part.queries.take(gradient),
        part.queries.take(query),
        part.keys.take(key),
        part.keys.take(value),
        part.queries.take(out),
        part.queries.take(total[..., None])[..., 0],
        0.0,
        part.causal,
        attn_mask=part.mask(query),
        scale=scale,
    )
    return tuple(found)


def _put(cells: Cells, targets: tuple[Tensor, ...], values: tuple[Tensor, ...]) -> None:
    for target, value in zip(targets, values, strict=True):
        target[cells.flat] = value


def _three(part: _Part) -> tuple[Cells, Cells, Cells]:
    return part.queries, part.keys, part.keys


def _with_zero(tensor: Tensor) -> Tensor:
    """In float32 at least, with a row of zeros behind it, which padding reads.

    The CPU's kernel is slower in bfloat16 than in float32, its backward pass by two thirds.
    """
    count, *shape = tensor.shape
    dtype = torch.promote_types(tensor.dtype, torch.float32)
    wide = tensor.new_empty((count + 1, *shape), dtype=dtype)
    wide[:count] = tensor
    wide[count] = 0.0
    return wide


def _ranges(starts: Ints, lengths: Ints) -> list[Ints]:
    return [np.arange(start, start + length) for start, length in zip(starts, lengths, strict=True)]


def _blocks(answers: Sequence[Ints], zero: int) -> list[Cells]:
    """The answers by length, in blocks of as many lines each."""
    order = sorted(range(len(answers)), key=lambda i: len(answers[i]))
    parts = np.array_split(order, min(BLOCKS, len(order)))
    return [Cells([answers[i] for i in part], zero=zero) for part in parts]
