"""A baseline for each place in an answer, from how uncertain the policy was on the way there.

T sampled tokens; all token arguments in the order of `rollout`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cohort.objective import segments
from cohort.objective.rows import place_in_rollout, sum_so_far


def optimal_token_baseline(
    returns: Float[Tensor, "T"],
    energy: Float[Tensor, "T"],
    *,
    rollout: Int[Tensor, "T"],
    group: Int[Tensor, "T"],
) -> tuple[Float[Tensor, "T"], Float[Tensor, "T"]]:
    """The advantage of each token and the baseline it has.

        A_it = G_it - B_t,   B_t = sum_i G_it W_it / sum_i W_it   over the group's rollouts that reach t

    OTB (arXiv:2602.07078). `returns` is the reward still to come, `energy` is W, `group` the group of each
    token's rollout. Where one rollout alone is left it is its own baseline, and A = 0. A place
    where nothing was uncertain (all W = 0) has baseline 0; its score is 0 too.
    """
    place = place_in_rollout(rollout)
    where = group * (place.max() + 1) + place
    weight = segments.sums(energy, where)
    baseline = segments.sums(returns * energy, where) / weight.masked_fill(weight == 0.0, 1.0)
    return returns - baseline, baseline


def realized_energy(
    logprobs: Float[Tensor, "T"], squares: Float[Tensor, "T"], rollout: Int[Tensor, "T"]
) -> Float[Tensor, "T"]:
    """W_t = sum_{j <= t} (1 - 2 pi_j + sum_v pi_j(v)^2): squared norms of the logits' gradients.

    arXiv:2602.07078. `squares` is the sum over the vocabulary of the squared probabilities.
    """
    return sum_so_far(1.0 - 2.0 * torch.exp(logprobs) + squares, rollout)
