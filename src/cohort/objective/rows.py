"""The sampled tokens of a step as one row per rollout, for what runs along a rollout, and back.

The tokens of a rollout must stand in their order; rollouts may come in any order, also interleaved.
Sums along a row never meet another rollout's numbers, so they round as if the rollout were alone.

    T sampled tokens, n rollouts that have one, L the most tokens of one.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def place_in_rollout(rollout: Int[Tensor, "T"]) -> Int[Tensor, "T"]:
    """How many tokens of its own rollout stand before each token."""
    order = rollout.argsort(stable=True)
    _, count = torch.unique(rollout, return_counts=True)
    starts = (count.cumsum(0) - count).repeat_interleave(count)
    ranks = torch.arange(len(rollout), device=rollout.device) - starts
    return torch.empty_like(order).scatter(0, order, ranks)


def is_last(rollout: Int[Tensor, "T"]) -> Bool[Tensor, "T"]:
    """Which tokens are the last of their rollout."""
    _, index, count = torch.unique(rollout, return_inverse=True, return_counts=True)
    return place_in_rollout(rollout) == count[index] - 1


def as_rows(values: Float[Tensor, "T"], rollout: Int[Tensor, "T"]) -> Float[Tensor, "n L"]:
    """One row per rollout, by ascending number, padded with 0 at the end."""
    _, index, count = torch.unique(rollout, return_inverse=True, return_counts=True)
    rows = values.new_zeros(len(count), int(count.max()) if len(count) else 0)
    return rows.index_put((index, place_in_rollout(rollout)), values)


def as_tokens(rows: Float[Tensor, "n L"], rollout: Int[Tensor, "T"]) -> Float[Tensor, "T"]:
    """The inverse of `as_rows`: what stands in the padding is dropped."""
    _, index = torch.unique(rollout, return_inverse=True)
    return rows[index, place_in_rollout(rollout)]


def sum_so_far(values: Float[Tensor, "T"], rollout: Int[Tensor, "T"]) -> Float[Tensor, "T"]:
    """The sum of the values up to a token in its rollout, its own included."""
    return as_tokens(as_rows(values, rollout).cumsum(1), rollout)
