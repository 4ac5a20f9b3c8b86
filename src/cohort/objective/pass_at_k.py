"""Advantages that train for pass@k: what a rollout adds to the best of k answers to its problem.

Rewards and groups as in `advantages`. A group whose rewards are equal up to rounding gives exactly 0,
but for PKPO without a baseline or with the leave-one-out one, which are not centred.

    N rollouts of the step, G of one group.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cohort.objective import segments
from cohort.objective.advantages import deviation_of_groups, group_centred
from cohort.objective.groups import group_extreme, is_flat


def best_only(rewards: Float[Tensor, "N"], group: Int[Tensor, "N"]) -> Float[Tensor, "N"]:
    """Only the best rollout of a group has an advantage: its lead over the second best.

        A_best = r_max - r_2nd,   0 for all others

    arXiv:2503.19595. Two rollouts that share the best reward give 0, and so does a group of one.
    """
    high = group_extreme(rewards, group, largest=True)
    best = rewards == high
    alone = segments.sums(best.double(), group) == 1.0
    rest = torch.where(best & alone, group_extreme(rewards, group, largest=False), rewards)
    second = group_extreme(rest, group, largest=True)
    return torch.where(best & alone & ~is_flat(rewards, group), high - second, 0.0)


def best_only_normalized(
    rewards: Float[Tensor, "N"], group: Int[Tensor, "N"], *, correction: int, epsilon: float
) -> Float[Tensor, "N"]:
    """`best_only` over the group's standard deviation, A_best = (r_max - r_2nd) / (std + epsilon).

    As in verl's "grpo_passk". `correction` as in `group_normalized`.
    """
    lead = best_only(rewards, group)
    deviation = deviation_of_groups(group_centred(rewards, group), group, correction=correction)
    return (lead / (deviation + epsilon)).masked_fill(lead == 0.0, 0.0)


def pass_at_k_training(
    rewards: Float[Tensor, "N"],
    group: Int[Tensor, "N"],
    *,
    k: int,
    right_above: float,
    epsilon: float,
) -> Float[Tensor, "N"]:
    """Pass@k of all subsets of size k as the reward, normalized over them, by each rollout's share.

        R = 1 - C(N-, k) / C(N, k),   s = sqrt(R (1 - R)) + epsilon
        A+ = (1 - R) / s,   A- = (1 - R - C(N- - 1, k - 1) / C(N - 1, k - 1)) / s

    Pass@k Training (arXiv:2508.10751), its closed form; N- of the N rollouts have a reward that is
    not above `right_above`. All right, all wrong, or so few wrong that every subset passes: 0. A
    group smaller than k counts as k = N.
    """
    rate = pass_rate_of_subsets(rewards, group, k=k, right_above=right_above)
    size, reach, wrong = _counts(rewards > right_above, group, k)
    others = _share_of_subsets(wrong - 1, size - 1, reach - 1, most=k).to(rewards.dtype)
    spread = (rate * (1.0 - rate)).sqrt()
    credit = torch.where(rewards > right_above, 1.0 - rate, 1.0 - rate - others)
    return (credit / (spread + epsilon)).masked_fill(spread == 0.0, 0.0)


def pass_rate_of_subsets(
    rewards: Float[Tensor, "N"], group: Int[Tensor, "N"], *, k: int, right_above: float
) -> Float[Tensor, "N"]:
    """The share of subsets of size k of the rollout's group that hold a right one.

    1 - C(N-, k) / C(N, k), as in `pass_at_k_training`.
    """
    size, reach, wrong = _counts(rewards > right_above, group, k)
    return 1.0 - _share_of_subsets(wrong, size, reach, most=k).to(rewards.dtype)


def _counts(
    right: Bool[Tensor, "N"], group: Int[Tensor, "N"], k: int
) -> tuple[Int[Tensor, "N"], Int[Tensor, "N"], Int[Tensor, "N"]]:
    """Of the rollout's group: its size, k or that if smaller, and how many are wrong."""
    size = segments.lengths(group)
    return size, size.clamp(max=k), segments.sums((~right).double(), group).long()


def _share_of_subsets(
    part: Int[Tensor, "N"], whole: Int[Tensor, "N"], size: Int[Tensor, "N"], *, most: int
) -> Float[Tensor, "N"]:
    """C(part, size) / C(whole, size): the product of (part - j) / (whole - j) for j below size."""
    j = torch.arange(most, device=part.device)
    above = (part[:, None] - j).clamp(min=0).double()
    below = (whole[:, None] - j).clamp(min=1).double()
    return torch.where(j < size[:, None], above / below, 1.0).prod(1)


def pkpo(
    rewards: Float[Tensor, "N"],
    group: Int[Tensor, "N"],
    *,
    k: int,
    baseline: Literal["none", "leave-one-out", "k-1"],
) -> Float[Tensor, "N"]:
    """The best of k, over all subsets of the group that a rollout is in, for rewards of any size.

        s_i = 1/C(n, k) sum over I, i in I, |I| = k, of max_{j in I} r_j             (eq. 19)
        leave-one-out: less the mean over the others of their s without rollout i    (eq. 29)
        k-1: less 1/C(n, k) sum over the same I of max_{j in I, j != i} r_j          (eq. 33)

    PKPO (arXiv:2505.15201): the sum over i of A_i grad log pi is an unbiased gradient of the
    expected best of k. Only `k-1` does not see a constant added to all rewards. `leave-one-out`
    needs n > k, the others n >= k: a smaller group gives 0. k = 1 has no `k-1` baseline.
    """
    assert k > (baseline == "k-1"), f"the best of {k - 1} is no baseline"
    advantages = torch.zeros_like(rewards)
    for number in torch.unique(group):
        member = group == number
        advantages[member] = _pkpo_of_group(rewards[member], k, baseline)
    if baseline == "k-1":  # its exact value there, and not what rounding makes of it
        return advantages.masked_fill(is_flat(rewards, group), 0.0)
    return advantages


def _pkpo_of_group(rewards: Float[Tensor, "G"], k: int, baseline: str) -> Float[Tensor, "G"]:
    size = len(rewards)
    if size < k + (baseline == "leave-one-out"):
        return torch.zeros_like(rewards)
    ascending, order = rewards.sort()
    credit = _best_of_subsets_with(ascending, k)
    if baseline == "leave-one-out":  # each other's s adds up to k times the best of k
        credit = credit - k / (size - 1) * _best_without(ascending, k)
    if baseline == "k-1":
        credit = credit - k / size * _best_without(ascending, k - 1)
    return torch.empty_like(credit).scatter(0, order, credit)


def _best_of_subsets_with(ascending: Float[Tensor, "G"], k: int) -> Float[Tensor, "G"]:
    """s_i for rewards in ascending order, without going through the subsets.

        s_i = ( C(i, k-1) r_i + sum_{j > i} C(j-1, k-2) r_j ) / C(n, k),   i, j from 0

    i is the best if the other k - 1 are below it; j > i is, if the k - 2 beside i are below j.
    """
    size, subsets = len(ascending), math.comb(len(ascending), k)
    itself = [math.comb(i, k - 1) / subsets for i in range(size)]
    larger = [math.comb(j - 1, k - 2) / subsets if j and k > 1 else 0.0 for j in range(size)]
    of_larger = ascending * ascending.new_tensor(larger)
    return (
        ascending * ascending.new_tensor(itself) + of_larger.flip(0).cumsum(0).flip(0) - of_larger
    )


def _best_without(ascending: Float[Tensor, "G"], k: int) -> Float[Tensor, "G"]:
    """For each rollout the expected best of k of the others: sum_j C(j, k-1) r_j / C(n-1, k)."""
    size = len(ascending)
    kept = ~torch.eye(size, dtype=torch.bool, device=ascending.device)
    others = ascending.expand(size, size)[kept].view(size, size - 1)
    subsets = math.comb(size - 1, k)
    share = [math.comb(j, k - 1) / subsets for j in range(size - 1)]
    return others @ ascending.new_tensor(share)
