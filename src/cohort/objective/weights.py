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
