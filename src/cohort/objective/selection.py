"""Which problems are worth asking, and which groups are worth learning from.

N rollouts of the step, P problems.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cohort.objective.advantages import deviation_of_groups, group_centred
from cohort.objective.groups import is_flat


def has_signal(rewards: Float[Tensor, "N"], group: Int[Tensor, "N"]) -> Bool[Tensor, "N"]:
    """Which rollouts are of a group whose rewards differ by more than rounding.

    DAPO's dynamic sampling (arXiv:2503.14476), eq. 11, keeps 0 < #correct < G: the same for rewards
    of 0 and 1, and true of others. ScaleRL (arXiv:2510.13786) drops the rest without refilling.
    """
    return ~is_flat(rewards, group)


def has_spread(
    rewards: Float[Tensor, "N"], group: Int[Tensor, "N"], *, least: float, correction: int
) -> Bool[Tensor, "N"]:
    """Which rollouts are of a group whose rewards differ by a standard deviation of at least `least`.

    ToolOrchestra (arXiv:2511.21689), section 3.3, drops the others at 0.1; which deviation, it does not
    say. Rewards equal up to rounding are never enough.
    """
    deviation = deviation_of_groups(group_centred(rewards, group), group, correction=correction)
    return (deviation >= least) & ~is_flat(rewards, group)


def not_mastered(pass_rates: Float[Tensor, "P"], *, mastered_at: float) -> Bool[Tensor, "P"]:
    """Which problems are still asked: those that were solved less often than `mastered_at`.

    No-positive-resampling of ScaleRL (arXiv:2510.13786), at 0.9.
    """
    return pass_rates < mastered_at


def prioritized(success_rates: Float[Tensor, "P"]) -> Float[Tensor, "P"]:
    """The probability of asking each problem, in proportion to how often it was failed.

        p_i = (1 - s_i) / sum_j (1 - s_j)

    Kimi k1.5 (arXiv:2501.12599), section 2.3.4. All solved: all alike.
    """
    failures = 1.0 - success_rates
    total = failures.sum()
    uniform = torch.full_like(failures, 1.0 / max(1, len(failures)))
    return torch.where(total > 0.0, failures / total, uniform)
