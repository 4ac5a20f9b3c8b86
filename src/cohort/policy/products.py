"""Products of hidden states with weights, by whichever of torch's two libraries is the faster one.

On a CPU torch gives float32 products to MKL. oneDNN, which it also carries, is 1.1 to 1.3 times as
fast with a row's thousand tokens, and twice with the few of a decode step once the weights lie as it
reads them (docs/LOG.md). So float32 goes to oneDNN where there is one; `Weights.pack` lays a copy out
for sampling, in bfloat16 too, and `unpack` drops it before the weights change.

A processor without instructions for bfloat16 takes six times as long for such a product as for the same
in float32: there the operands are widened, and the result is rounded once, which is what the instructions do.

    T tokens, d width of the input, n of the output.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import linear

from cohort.policy.buffers import empty, keeps

LEAST_WEIGHTS, LEAST_PRODUCTS = 2**17, 2**22
"""A matrix with so many weights, or a product of so many multiplications, is worth the ten
microseconds more that oneDNN takes to begin."""
MKL_AHEAD = ("AVX2", "DEFAULT")
"""Where MKL is 1.05 to 1.15 times as fast with a row's thousand tokens (docs/LOG.md)."""
ROWS_TOGETHER = 4
"""MKL sums up the last rows that are fewer in another order: last bits would depend on how many there are."""
ROWS_EXPECTED = 16
"""Live answers for which a packed copy is laid out; it serves any number."""


@cache
def _onednn() -> Any | None:
    """torch's entrance to oneDNN for linear layers, where the processor is one it is measured on."""
    known = platform.machine() in ("x86_64", "AMD64") and torch.backends.mkldnn.is_available()
    operations = torch.ops.mkldnn
    return operations if known and hasattr(operations, "_linear_pointwise") else None


@cache
def _has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 by itself."""
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return supported is not None and bool(supported())


def emulated(x: Tensor) -> bool:
    """Whether products of this tensor are better widened to float32."""
    return x.dtype == torch.bfloat16 and x.device.type == "cpu" and not _has_bfloat16()


def _wide(x: Tensor | None) -> Tensor | None:
    return None if x is None else x.float()


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W^T + b, not to be differentiated: [T, d], [n, d], [n] or None -> [T, n]."""
    if emulated(x):
        return product(x.float(), weight.float(), _wide(bias)).to(x.dtype)
    if _worthwhile(x, weight):
        return _product(x, weight, bias)
    if not keeps(x):
        return linear(x, weight, bias)
    out = empty((len(x), len(weight)), x)
    if bias is None:
        return torch.mm(x, weight.t(), out=out)
    return torch.addmm(bias, x, weight.t(), out=out)


def outer(gradient: Tensor, x: Tensor) -> Tensor:
    """The gradient of a product's weights, G^T x: [T, n], [T, d] -> [n, d]."""
    if emulated(x):
        return (gradient.T.float() @ x.float()).to(x.dtype)
    if not keeps(x):
        return gradient.T @ x
    out = empty((1, gradient.shape[1], x.shape[1]), x)[0]
    return torch.mm(gradient.T, x, out=out)


def _worthwhile(x: Tensor, weight: Tensor) -> bool:
    return (
        x.dtype == torch.float32
        and x.device.type == "cpu"
        and weight.numel() >= LEAST_WEIGHTS
        and _onednn() is not None
        and torch.backends.cpu.get_cpu_capability() not in MKL_AHEAD
    )


def _large(x: Tensor, weight: Tensor) -> bool:
    size = weight.numel()
    return size >= LEAST_WEIGHTS or len(x) * size >= LEAST_PRODUCTS


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    entrance = torch.ops.mkldnn._linear_pointwise.default
    return cast(Tensor, entrance(x, weight, bias, "none", [], ""))


def _sum(stream: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    entrance = torch.ops.mkldnn._linear_pointwise.binary
    return cast(Tensor, entrance(x, stream, weight, None, "add"))


class Weights:
    """A matrix of the model's [n, d], and while answers are sampled a copy as oneDNN reads it."""

    def __init__(self, plain: Tensor) -> None:
        self.plain = plain
        self._packed: Tensor | None = None

    def pack(self) -> None:
        """Copy the weights as they are now, where that makes products faster."""
        operations, plain = _onednn(), self.plain
        if operations is None or plain.device.type != "cpu":
            return
        if plain.dtype in (torch.float32, torch.bfloat16):
            plain = plain.detach().float() if emulated(plain) else plain.detach()
            self._packed = operations._reorder_linear_weight(plain, ROWS_EXPECTED)

    def unpack(self) -> None:
        """Drop the copy."""
        self._packed = None

    def product(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """x W^T + b, not to be differentiated: [T, d] -> [T, n]."""
        if self._packed is None or not _large(x, self.plain):
            return product(x, self.plain, bias)
        if emulated(x):
            return _product(x.float(), self._packed, _wide(bias)).to(x.dtype)
        return _product(x, self._packed, bias)

    def added(self, stream: Tensor, x: Tensor) -> Tensor:
        """stream + x W^T: [T, n], [T, d] -> [T, n]."""
        if torch.is_grad_enabled():
            return cast(Callable[..., Tensor], _Added.apply)(stream, x, self.plain)
        if self._packed is None or not _large(x, self.plain):
            return summed(stream, x, self.plain)
        if emulated(x):
            return _sum(stream.float(), x.float(), self._packed).to(x.dtype)
        return _sum(stream, x, self._packed)


@contextmanager
def packed(weights: Sequence[Weights]) -> Iterator[None]:
    """Copies of the weights for as long as they do not change."""
    try:
        for one in weights:
            one.pack()
        yield
    finally:
        for one in weights:
            one.unpack()


def summed(stream: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """stream + x W^T, not to be differentiated: [T, n], [T, d], [n, d] -> [T, n]."""
    if emulated(x):
        return summed(stream.float(), x.float(), weight.float()).to(x.dtype)
    if _worthwhile(x, weight):
        return _sum(stream, x, weight)
    if not keeps(x):
        return torch.addmm(stream, x, weight.t())
    return torch.addmm(stream, x, weight.t(), out=empty(stream.shape, stream))


class _Added(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, stream: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return summed(stream, x, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        return gradient, product(gradient, weight.t()), outer(gradient, x)
