"""What an answer is worth against its own group: one advantage per scored rollout.

Every function takes the rewards of all scored rollouts of a step, flat, and the group each of them
belongs to. A rollout without a score is not passed in: it enters no mean, deviation or count.

    N rollouts of the step, n groups.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

FLAT = 1e-9
"""Rewards of a group whose spread is below this share of their size are equal up to rounding."""


def group_normalized(
    rewards: Float[Tensor, "N"],
    group: Int[Tensor, "N"],
    *,
    correction: int,
    epsilon: float,
) -> Float[Tensor, "N"]:
    """The reward less its group's mean, over its group's standard deviation.

        A_i = (r_i - mean(r)) / (std(r) + epsilon)

    DeepSeekMath (arXiv:2402.03300) section 4.1.2, where neither the kind of deviation nor an epsilon
    is given: `correction` is 0 for the deviation of the group itself, 1 for the sample estimate.
    Equal rewards, also equal up to rounding, and a group of one give exactly 0.
    """
    centred = group_centred(rewards, group)
    _, index, count = torch.unique(group, return_inverse=True, return_counts=True)
    square = rewards.new_zeros(count.shape).scatter_add(0, index, centred.square())
    deviation = (square / (count - correction).clamp(min=1)).sqrt()
    return (centred / (deviation[index] + epsilon)).masked_fill(centred == 0.0, 0.0)


def group_centred(rewards: Float[Tensor, "N"], group: Int[Tensor, "N"]) -> Float[Tensor, "N"]:
    """The reward less its group's mean, A_i = r_i - mean(r): Dr. GRPO (arXiv:2503.20783), eq. 2.

    Exactly 0 where a group's rewards are equal, also up to rounding.
    """
    _, index, count = torch.unique(group, return_inverse=True, return_counts=True)
    empty = rewards.new_zeros(count.shape)
    mean = empty.scatter_add(0, index, rewards) / count
    low = empty.scatter_reduce(0, index, rewards, "amin", include_self=False)
    high = empty.scatter_reduce(0, index, rewards, "amax", include_self=False)
    flat = (high - low) <= FLAT * low.abs().maximum(high.abs())
    return (rewards - mean[index]).masked_fill(flat[index], 0.0)
