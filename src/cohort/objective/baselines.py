"""Baselines other than the group's mean: each rollout's reward less what was to be expected of it.

Rewards and groups as in `advantages`. A group whose rewards are equal up to rounding has advantage
exactly 0 wherever the baseline comes from the group itself.

    N rollouts of the step.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cohort.objective import segments
from cohort.objective.advantages import group_centred
from cohort.objective.groups import is_flat


def leave_one_out(rewards: Float[Tensor, "N"], group: Int[Tensor, "N"]) -> Float[Tensor, "N"]:
    """The reward less the mean of the others' rewards.

        A_i = r_i - 1/(G-1) sum_{j != i} r_j = G/(G-1) (r_i - mean(r))

    RLOO, Ahmadian et al. 2024 (arXiv:2402.14740). Unbiased: the expected gradient is
    the true one. A group of one has no others and gives 0.
    """
    size = segments.lengths(group)
    return group_centred(rewards, group) * size / (size - 1).clamp(min=1)


def leave_one_out_normalized(
    rewards: Float[Tensor, "N"], group: Int[Tensor, "N"], *, epsilon: float
) -> Float[Tensor, "N"]:
    """The reward less the others' mean, over the others' sample deviation s_{-i}.

        A_i = (r_i - mean_{j != i} r_j) / (s_{-i} + epsilon),   undivided where s_{-i} = 0

    The default "grpo" of NeMo-RL (August 2026); no paper. Where the others are equal, also up to
    rounding, or only one, nothing is divided. A group of one gives 0.
    """
    deviation = torch.empty_like(rewards)
    for number in torch.unique(group):
        member = group == number
        deviation[member] = deviation_of_others(rewards[member])
    advantages = leave_one_out(rewards, group)
    return torch.where(deviation > 0.0, advantages / (deviation + epsilon), advantages)


def deviation_of_others(rewards: Float[Tensor, "G"]) -> Float[Tensor, "G"]:
    """For each rollout of a group the sample deviation of the others; 0 where they are equal."""
    size = len(rewards)
    if size < 3:
        return torch.zeros_like(rewards)
    kept = ~torch.eye(size, dtype=torch.bool, device=rewards.device)
    others = rewards.expand(size, size)[kept]
    centred = group_centred(
        others, torch.arange(size, device=rewards.device).repeat_interleave(size - 1)
    )
    return (centred.view(size, size - 1).square().sum(1) / (size - 2)).sqrt()


def opo(
    rewards: Float[Tensor, "N"], group: Int[Tensor, "N"], *, lengths: Int[Tensor, "N"]
) -> Float[Tensor, "N"]:
    """The reward less the group's mean weighed by length, which has the least variance.

        A_i = r_i - sum_j l_j r_j / sum_j l_j

    OPO, Hao et al. 2025 (arXiv:2505.23585), for exactly on-policy updates. The variance is least if
    the squared norm of a rollout's score grows with its length, `lengths` in sampled tokens.
    """
    share = lengths / segments.sums(lengths.to(rewards.dtype), group)
    baseline = segments.sums(rewards * share, group)
    return (rewards - baseline).masked_fill(is_flat(rewards, group), 0.0)


def remax(rewards: Float[Tensor, "N"], *, greedy: Float[Tensor, "N"]) -> Float[Tensor, "N"]:
    """The reward less that of the greedy answer to the same problem, A_i = r_i - r(greedy).

    ReMax, Li et al. 2023 (arXiv:2310.10505). `greedy` has one value per rollout, that of its
    problem. Unbiased, and the only baseline here that a single rollout can have.
    """
    return rewards - greedy


def gpg(rewards: Float[Tensor, "N"], group: Int[Tensor, "N"]) -> Float[Tensor, "N"]:
    """The centred reward, scaled up for the rollouts of the step that have no gradient.

        A_i = alpha (r_i - mean(r)),   alpha = B / (B - M)

    GPG, Chu et al. 2025 (arXiv:2504.02546), with F_norm = 1; B rollouts, M of them in
    groups of equal rewards. All groups flat: 0.
    """
    return signal_scale(rewards, group) * group_centred(rewards, group)


def signal_scale(rewards: Float[Tensor, "N"], group: Int[Tensor, "N"]) -> Float[Tensor, ""]:
    """GPG's alpha = B / (B - M); 1 where no group has signal."""
    return _scale_up(~is_flat(rewards, group)).to(rewards.dtype)


def gpg_of_nonzero(rewards: Float[Tensor, "N"], group: Int[Tensor, "N"]) -> Float[Tensor, "N"]:
    """GPG as verl has it, with alpha = B / #{r != 0} (August 2026); it differs from the paper.

    A shift of all rewards changes it.
    """
    return nonzero_scale(rewards) * group_centred(rewards, group)


def nonzero_scale(rewards: Float[Tensor, "N"]) -> Float[Tensor, ""]:
    """alpha = B / #{r != 0}; 1 where every reward is 0."""
    return _scale_up(rewards != 0.0).to(rewards.dtype)


def _scale_up(counted: Bool[Tensor, "N"]) -> Float[Tensor, ""]:
    """N over the number that count; 1 where none does."""
    number = counted.sum().double()
    return (len(counted) / number.clamp(min=1.0)).masked_fill(number == 0.0, 1.0)


def maxrl(
    rewards: Float[Tensor, "N"], group: Int[Tensor, "N"], *, epsilon: float
) -> Float[Tensor, "N"]:
    """The centred reward over the group's mean: the gradient of log p instead of p.

        A_i = (r_i - mean(r)) / (mean(r) + epsilon),   0 where the mean is 0

    MaxRL (arXiv:2602.02710). With rewards of 0 and 1 its expected gradient is that of log p,
    expanded in (1-p) up to order G - 1. Rewards below 0 have no such meaning.
    """
    mean = segments.means(rewards, group)
    centred = group_centred(rewards, group)
    empty = (centred == 0.0) | (mean == 0.0)
    return (centred / (mean + epsilon).masked_fill(empty, 1.0)).masked_fill(empty, 0.0)
