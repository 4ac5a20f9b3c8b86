"""Products with their cheap neighbour, which is computed again for the gradient instead of kept.

A norm before a product and a gate before one cost a pass over memory, and a copy of what they say as
long as a row is in flight: of what a Llama-like layer keeps for its gradient, some three tenths
(selective recomputation: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", section 3).
Computed again they are the same bits.

    T tokens of a row, d hidden width, n rows of the weights, f feed-forward width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from cohort.policy.elementwise import gated, gated_backward, normed, normed_backward
from cohort.policy.products import outer, product, summed


def joint_after_norm(
    x: Tensor, norm: tuple[Tensor, float], joined: tuple[Tensor, Tensor | None],
    parts: tuple[Sequence[Tensor], Sequence[Tensor]],
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """norm(x) W^T + b: [T, d] -> [T, n], and x for whatever else reads it: its gradient goes through here.

    norm: weight [d] and epsilon. joined: W [n, d] and b [n], in one piece of memory. parts: the weights
    and the biases that lie in it, which the gradients are given to.
    """
    weights, biases = parts
    rows = [len(weight) for weight in weights]
    apply = cast(Callable[..., tuple[Tensor, Tensor]], _JointAfterNorm.apply)
    return apply(x, *norm, *joined, rows, *weights, *biases)


class _JointAfterNorm(torch.autograd.Function):
    """The gradient of each layer is its slice of one product."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        norm: Tensor,
        epsilon: float,
        weight: Tensor,
        bias: Tensor | None,
        rows: list[int],
        *parameters: Tensor,
    ) -> tuple[Tensor, Tensor]:
        x = x.contiguous()
        unit, inverse = normed(x, norm, epsilon)
        ctx.save_for_backward(x, norm, inverse, weight)
        ctx.epsilon, ctx.rows, ctx.biased = epsilon, rows, bias is not None
        return product(unit, weight, bias), x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        gradient, of_stream = gradients
        x, norm, inverse, weight = ctx.saved_tensors
        unit, _ = normed(x, norm, ctx.epsilon)
        of_weight = outer(gradient, unit).split(ctx.rows)
        of_bias = gradient.sum(0).split(ctx.rows) if ctx.biased else ()
        through = product(gradient, weight.t())
        of_x, of_norm = normed_backward(through, x, norm, inverse, of_stream)
        return of_x, of_norm, None, None, None, None, *of_weight, *of_bias


def gate_into(stream: Tensor, wide: Tensor, weight: Tensor) -> Tensor:
    """stream + gated(wide) W^T: [T, d], [T, 2f], [d, f] -> [T, d]."""
    return cast(Callable[..., Tensor], _GateInto.apply)(stream, wide, weight)


class _GateInto(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, stream: Tensor, wide: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(wide, weight)
        return summed(stream, gated(wide), weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        (gradient,) = gradients
        wide, weight = ctx.saved_tensors
        of_weight = outer(gradient, gated(wide))
        return gradient, gated_backward(product(gradient, weight.t()), wide), of_weight
