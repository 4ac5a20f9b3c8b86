"""How much a sampled token counts in its step: all that is called "loss aggregation" elsewhere.

A weight is counted over the whole step, dead tokens and dead groups included, before anything is
cut into micro-batches. So cutting, dropping and sharding cannot change the sum.

    N rollouts that count in the step, `lengths` their sampled tokens, `group` the group of each.
    The result is one weight per rollout, which each of its tokens has.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def per_rollout(lengths: Int[Tensor, "N"], group: Int[Tensor, "N"]) -> Float[Tensor, "N"]:
    """Tokens averaged in their rollout, rollouts in their group, groups in the step.

        w = 1 / (n * G * |o_i|)

    DeepSeekMath (arXiv:2402.03300), eq. 3. n counts the groups that have a scored rollout.
    """
    _, index, size = torch.unique(group, return_inverse=True, return_counts=True)
    return 1.0 / (len(size) * size[index] * lengths).double()


def per_token(lengths: Int[Tensor, "N"], group: Int[Tensor, "N"]) -> Float[Tensor, "N"]:
    """Every token of the step alike: w = 1 / sum |o|. DAPO (arXiv:2503.14476), eq. 8."""
    return (1.0 / lengths.sum().double()).expand(lengths.shape)


def per_rollout_sum(lengths: Int[Tensor, "N"], group: Int[Tensor, "N"]) -> Float[Tensor, "N"]:
    """Tokens summed in their rollout, rollouts averaged: w = 1 / (n * G).

    The rollout as one action: RLOO (arXiv:2402.14740), TOPR, Kimi k1.5; with GSPO's surrogate it
    is LUSPO (arXiv:2602.05261). A long rollout counts more, in proportion to its length.
    """
    _, index, size = torch.unique(group, return_inverse=True, return_counts=True)
    return 1.0 / (len(size) * size[index]).double().expand(lengths.shape)


def constant_budget(
    lengths: Int[Tensor, "N"], group: Int[Tensor, "N"], *, budget_tokens: int
) -> Float[Tensor, "N"]:
    """Tokens summed, over a constant instead of their number: w = 1 / (n * G * budget_tokens).

    Dr. GRPO (arXiv:2503.20783) and its code: the constant is the generation budget, so
    the length of an answer has no influence. The weights do not sum to one.
    """
    return per_rollout_sum(lengths, group) / budget_tokens


def per_prompt(lengths: Int[Tensor, "N"], group: Int[Tensor, "N"]) -> Float[Tensor, "N"]:
    """Tokens averaged over their whole group, groups in the step.

        w = 1 / (n * sum over the group of |o|)

    ScaleRL (arXiv:2510.13786), section 4: "prompt-average".
    """
    _, index, size = torch.unique(group, return_inverse=True, return_counts=True)
    tokens = torch.zeros_like(size).scatter_add(0, index, lengths)
    return 1.0 / (len(size) * tokens[index]).double()
