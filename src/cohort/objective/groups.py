"""What a group is for statistics: its extremes, and whether its rewards differ at all.

As in `segments`, which has sums, means and sizes: one value per rollout, that of its own group, so
no caller keeps an index. A group is told by its number alone: its rollouts may lie anywhere.

    N rollouts of the step, n groups.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor

FLAT = 1e-9
"""Rewards of a group whose spread is below this share of their size are equal up to rounding."""


def group_extreme(
    values: Float[Tensor, "N"], group: Int[Tensor, "N"], *, largest: bool
) -> Float[Tensor, "N"]:
    """The largest or the smallest value of the rollout's group."""
    numbers, index = torch.unique(group, return_inverse=True)
    kind = "amax" if largest else "amin"
    found = values.new_zeros(numbers.shape)
    return found.scatter_reduce(0, index, values, kind, include_self=False)[index]


def one_of_each(values: Num[Tensor, "N"], group: Int[Tensor, "N"]) -> Num[Tensor, "n"]:
    """The value of one rollout of each group, by ascending number: for values that a group shares."""
    numbers, index = torch.unique(group, return_inverse=True)
    return values.new_zeros(numbers.shape).scatter(0, index, values)


def is_flat(rewards: Float[Tensor, "N"], group: Int[Tensor, "N"]) -> Bool[Tensor, "N"]:
    """Whether the rewards of the rollout's group are equal, also up to rounding.

        max - min <= share * |max|

    The share is FLAT, or four roundings of the precision at hand where that is coarser. A group of
    one is flat.
    """
    low = group_extreme(rewards, group, largest=False)
    high = group_extreme(rewards, group, largest=True)
    share = max(FLAT, 4.0 * torch.finfo(rewards.dtype).eps)
    return (high - low) <= share * high.abs()
