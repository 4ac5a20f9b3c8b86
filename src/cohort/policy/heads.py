"""What attention is asked and given: norms and rotation of a joint projection's heads.

One pass over memory with its gradient where there are compiled kernels (`native/kernels.c`), torch's
operations elsewhere.

    T tokens of a row, Hq query and Hk key heads of width D.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from cohort.policy import native
from cohort.policy.attention import Heads
from cohort.policy.buffers import empty
from cohort.policy.elementwise import rms_norm, rotate

Rotation = tuple[Tensor, Tensor]


def asked(mixed: Tensor, heads: Heads, rotation: Rotation) -> tuple[Tensor, Tensor, Tensor]:
    """[T, (Hq + 2 Hk) D], cosine and signed sine [T, 1, D] -> query [T, Hq, D], key and value [T, Hk, D]."""
    norms = () if heads.query_norm is None else (heads.query_norm, cast(Tensor, heads.key_norm))
    if native.suits(mixed, *rotation, *norms):
        apply = cast(Callable[..., tuple[Tensor, Tensor, Tensor]], _Asked.apply)
        return apply(mixed, *rotation, heads, *norms)
    count = heads.query + heads.key
    parts = mixed.view(len(mixed), count + heads.key, heads.width)
    both = parts[:, :count]
    if norms:
        split = both.split((heads.query, heads.key), dim=1)
        both = torch.cat(
            [rms_norm(x, norm, heads.epsilon) for x, norm in zip(split, norms, strict=True)], dim=1
        )
    both = rotate(both, *rotation)
    return both[:, : heads.query], both[:, heads.query :], parts[:, count:]


class _Asked(torch.autograd.Function):
    """Kept for the gradient where there are norms: the projection, and one number for each of its heads."""

    @staticmethod
    def forward(
        ctx: Any, mixed: Tensor, cosine: Tensor, sine: Tensor, heads: Heads, *norms: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        rows, width = len(mixed), heads.width
        query, key = (empty((rows, n, width), mixed) for n in (heads.query, heads.key))
        count = heads.query + heads.key
        inverse = empty((rows, count), mixed, torch.float32) if norms else None
        native.call(
            "heads", mixed, *(norms or (None, None)), cosine, sine, query, key, inverse,
            rows, heads.query, heads.key, width, heads.epsilon, mixed.dtype == torch.bfloat16,
        )  # fmt: skip
        value = mixed.view(rows, count + heads.key, width)[:, count:]
        if inverse is None:  # then nothing else keeps the whole projection
            value = empty(value.shape, value).copy_(value)
        ctx.save_for_backward(cosine, sine, *((mixed, inverse, *norms) if norms else ()))
        ctx.heads = heads
        return query, key, value

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        cosine, sine, *kept = ctx.saved_tensors
        heads, (of_query, of_key, of_value) = ctx.heads, (g.contiguous() for g in gradients)
        rows = len(of_query)
        of_mixed = empty((rows, (heads.query + 2 * heads.key) * heads.width), of_query)
        mixed, inverse, *norms = kept or (None, None)
        of_norms = [torch.zeros_like(norm, dtype=torch.float32) for norm in norms]
        native.call(
            "heads_backward", of_query, of_key, of_value, mixed, *(norms or (None, None)), cosine,
            sine, inverse, of_mixed, *(of_norms or (None, None)), rows, heads.query, heads.key,
            heads.width, of_query.dtype == torch.bfloat16,
        )  # fmt: skip
        own = (of.to(norm.dtype) for of, norm in zip(of_norms, norms, strict=True))
        return of_mixed, None, None, None, *own
