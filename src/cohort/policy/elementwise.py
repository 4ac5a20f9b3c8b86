"""What a decoder layer does between its matrix products: norm, rotation, gate, each with its gradient.

One pass over memory each where there are compiled kernels (`native/kernels.c`), torch's operations
elsewhere; off the CPU torch's own fused norm. Kept for the gradients are inputs, and one number per row.

    T tokens of a row, H heads of width D, f feed-forward width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import silu

from cohort.policy import native
from cohort.policy.buffers import empty, keeps


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotary embedding (Su et al. 2021) of [T, H, D]: pairs are half of the width apart."""
    if not torch.is_grad_enabled():
        return torch.addcmul(x * cosine, x.roll(x.shape[-1] // 2, -1), sine)
    return cast(Callable[..., Tensor], _Rotate.apply)(x, cosine, sine)


class _Rotate(torch.autograd.Function):
    """A rotation; its gradient is the rotation back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        ctx.save_for_backward(cosine, sine)
        return torch.addcmul(x * cosine, x.roll(x.shape[-1] // 2, -1), sine)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        cosine, sine = ctx.saved_tensors
        half = gradient.shape[-1] // 2
        return torch.addcmul(gradient * cosine, gradient.roll(half, -1), -sine), None, None


def rms_norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """x / sqrt(mean(x^2) + epsilon) * weight over the last dimension, sums in float32."""
    if torch.is_grad_enabled() and x.device.type == "cpu":
        return cast(Callable[..., Tensor], _RMSNorm.apply)(x, weight, epsilon)
    if native.suits(x, weight):
        out = torch.empty_like(x)
        rows, narrow = x.numel() // len(weight), x.dtype == torch.bfloat16
        native.call("rms_norm", x, weight, out, None, rows, len(weight), epsilon, narrow)
        return out
    return torch.nn.functional.rms_norm(x, (x.shape[-1],), weight, epsilon)


class _RMSNorm(torch.autograd.Function):
    """Zhang and Sennrich 2019. Kept for the gradient: the input and one number per row."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        x = x.contiguous()
        out, inverse = normed(x, weight, epsilon)
        ctx.save_for_backward(x, weight, inverse)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return *normed_backward(gradients[0], *ctx.saved_tensors), None


def normed(x: Tensor, weight: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """What `rms_norm` says of a contiguous x, and 1 / sqrt(mean(x^2) + epsilon) of each of its rows."""
    if native.suits(x, weight):
        rows, narrow = x.numel() // len(weight), x.dtype == torch.bfloat16
        out, inverse = empty(x.shape, x), x.new_empty(rows, dtype=torch.float32)
        native.call("rms_norm", x, weight, out, inverse, rows, len(weight), epsilon, narrow)
        return out, inverse
    wide = _wide(x)
    inverse = wide.square().mean(-1, keepdim=True).add_(epsilon).rsqrt_()
    return (wide * inverse).mul_(weight).to(x.dtype), inverse


def normed_backward(
    gradient: Tensor, x: Tensor, weight: Tensor, inverse: Tensor, more: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The gradients of `normed`'s input, with `more` added, and of its weight."""
    if native.suits(x, weight):
        narrow, gradient = x.dtype == torch.bfloat16, gradient.contiguous()
        more = None if more is None else more.contiguous()
        of_x, of_weight = empty(x.shape, x), torch.zeros_like(weight, dtype=torch.float32)
        native.call(
            "rms_norm_backward", gradient, x, weight, inverse, more, of_x, of_weight,
            len(inverse), len(weight), narrow,
        )  # fmt: skip
        return of_x, of_weight.to(weight.dtype)
    gradient, unit = _wide(gradient), _wide(x) * inverse
    of_weight = (gradient * unit).flatten(0, -2).sum(0)
    scaled = gradient * weight
    along = (scaled * unit).mean(-1, keepdim=True)
    of_x = scaled.addcmul_(unit, along, value=-1.0).mul_(inverse)
    of_x = of_x if more is None else of_x.add_(more)
    return of_x.to(x.dtype), of_weight.to(weight.dtype)


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def gated(x: Tensor) -> Tensor:
    """SwiGLU's middle: [T, 2f], gate and up side by side -> silu(gate) * up, [T, f]."""
    rows, width = x.shape[0], x.shape[1] // 2
    if native.suits(x):
        out = empty((rows, width), x)
        native.call("gated", x, out, rows, width, x.dtype == torch.bfloat16)
        return out
    gate, up = x.chunk(2, dim=-1)
    return silu(gate).mul_(up)


def gated_backward(gradient: Tensor, x: Tensor) -> Tensor:
    """The gradient of `gated`'s input: [T, f], [T, 2f] -> [T, 2f]; within `buffers.kept` in its place."""
    out, gradient = x if keeps(x) else torch.empty_like(x), gradient.contiguous()
    if native.suits(x, gradient):
        rows, width = gradient.shape
        narrow = x.dtype == torch.bfloat16
        native.call("gated_backward", gradient, x, out, rows, width, narrow)
        return out
    gate, up = x.chunk(2, dim=-1)
    of_gate = torch.ops.aten.silu_backward(gradient * up, gate)
    of_up = silu(gate).mul_(gradient)
    for part, own in zip(out.chunk(2, dim=-1), (of_gate, of_up), strict=True):
        part.copy_(own)
    return out
