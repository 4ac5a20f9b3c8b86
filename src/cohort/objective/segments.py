"""Sums and means over the tokens of a rollout, or of any other set, given back at every token.

The tokens of a step are flat; `rollout` says which rollout each is of. The numbers need not be
dense or sorted, and a rollout's tokens need not be neighbours; only their order among themselves
counts, and only in `suffix_sums`. What is computed here needs whole rollouts: a rollout cut in two
is two rollouts. Gradients flow through all of it.

Sums are added by `scatter_add`. On CUDA its order, and so the last bit, is fixed only under
`torch.use_deterministic_algorithms(True)`; on CPU always.

    T sampled tokens; a segment is a set of tokens with the same number.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def sums(values: Float[Tensor, "T"], segment: Int[Tensor, "T"]) -> Float[Tensor, "T"]:
    """At every token the sum over its segment: S_t = sum over k in seg(t) of x_k."""
    _, index, count = torch.unique(segment, return_inverse=True, return_counts=True)
    return values.new_zeros(count.shape).scatter_add(0, index, values)[index]


def means(values: Float[Tensor, "T"], segment: Int[Tensor, "T"]) -> Float[Tensor, "T"]:
    """At every token the mean over its segment: S_t / |seg(t)|."""
    _, index, count = torch.unique(segment, return_inverse=True, return_counts=True)
    return (values.new_zeros(count.shape).scatter_add(0, index, values) / count)[index]


def lengths(segment: Int[Tensor, "T"]) -> Int[Tensor, "T"]:
    """At every token the number of tokens of its segment, |seg(t)|."""
    _, index, count = torch.unique(segment, return_inverse=True, return_counts=True)
    return count[index]


def maxima(values: Float[Tensor, "T"], segment: Int[Tensor, "T"]) -> Float[Tensor, "T"]:
    """At every token the greatest value of its segment, detached: it is for scaling only."""
    _, index, count = torch.unique(segment, return_inverse=True, return_counts=True)
    empty = values.new_zeros(count.shape)
    return empty.scatter_reduce(0, index, values.detach(), "amax", include_self=False)[index]


def suffix_sums(
    values: Float[Tensor, "T"], rollout: Int[Tensor, "T"], *, discount: float = 1.0
) -> Float[Tensor, "T"]:
    """At every token the discounted sum from it to the end of its rollout.

        S_t = sum over k >= t of discount^(k - t) x_k

    t and k count the sampled tokens of the rollout, in the order in which they stand. Computed by
    doubling, in log2(T) steps over the whole tensor.
    """
    order = torch.argsort(rollout, stable=True)
    owner, total = rollout[order], values[order]
    step = 1
    while step < total.shape[0]:
        same = owner[:-step] == owner[step:]
        ahead = total[step:].masked_fill(~same, 0.0) * discount**step
        total = total + torch.nn.functional.pad(ahead, (0, step))
        step *= 2
    return total[torch.argsort(order)]
