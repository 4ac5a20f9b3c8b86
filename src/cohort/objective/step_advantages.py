"""Advantages whose scale, or mean, is that of the whole step instead of the rollout's group.

A deviation of the step does not weigh problems by their difficulty, as a group's does. The price:
what a rollout is worth depends on which other problems the step had.

    N rollouts of the step, n groups, K reward functions.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cohort.objective import segments
from cohort.objective.advantages import group_centred, group_normalized
from cohort.objective.groups import is_flat, one_of_each


def lite_ppo(
    rewards: Float[Tensor, "N"], group: Int[Tensor, "N"], *, correction: int, epsilon: float
) -> Float[Tensor, "N"]:
    """The reward less its group's mean, over the deviation of all rewards of the step.

        A_i = (r_i - mean_group(r)) / (std_step(r) + epsilon)

    Lite PPO, of "Tricks or Traps" (arXiv:2508.08221). A flat group gives exactly 0.
    """
    whole = group_centred(rewards, torch.zeros_like(group))
    return _over(group_centred(rewards, group), _deviation(whole, correction) + epsilon)


def scalerl(
    rewards: Float[Tensor, "N"],
    group: Int[Tensor, "N"],
    *,
    correction: int,
    epsilon: float,
    count_flat: bool,
) -> Float[Tensor, "N"]:
    """The reward less its group's mean, over the deviation of these differences in the step.

        A_i = d_i / (std_step(d) + epsilon),   d_i = r_i - mean_group(r)

    ScaleRL (arXiv:2510.13786), section 4. It drops flat groups before: `count_flat` False leaves
    them out of the deviation; True counts their zeros.
    """
    centred = group_centred(rewards, group)
    counted = torch.ones_like(group, dtype=torch.bool) if count_flat else ~is_flat(rewards, group)
    return _over(centred, _deviation(centred[counted], correction) + epsilon)


def reinforce_plus_plus_baseline(
    rewards: Float[Tensor, "N"],
    group: Int[Tensor, "N"],
    *,
    lengths: Int[Tensor, "N"],
    correction: int,
    epsilon: float,
) -> Float[Tensor, "N"]:
    """The reward less its group's mean, whitened over all tokens of the step.

        A_i = (d_i - m) / sqrt(v + epsilon),   m, v the mean and variance of d over tokens

    REINFORCE++-baseline (arXiv:2501.03262); weighed by tokens as in verl. Long rollouts weigh more
    in m, so m is not 0, and a flat group gets a small advantage, the same for all its rollouts.
    """
    centred = group_centred(rewards, group)
    tokens = lengths.sum()
    centred = centred - (centred * lengths).sum() / tokens
    variance = (centred.square() * lengths).sum() / (tokens - correction).clamp(min=1)
    return centred / (variance + epsilon).sqrt()


def gdpo(
    rewards: Float[Tensor, "N K"],
    group: Int[Tensor, "N"],
    *,
    weights: Float[Tensor, "K"],
    correction: int,
    epsilon: float,
) -> Float[Tensor, "N"]:
    """Each reward function normalized in its group, then their sum normalized over the step.

        z_ik = (r_ik - mean_group) / (std_group + epsilon),   s_i = sum_k w_k z_ik
        A_i = (s_i - mean_step(s)) / (std_step(s) + epsilon)

    GDPO (arXiv:2601.05242). A function that says the same of a whole group adds 0 there, and
    does not hide what the others say. All s equal: 0.
    """
    each = [
        group_normalized(column, group, correction=correction, epsilon=epsilon)
        for column in rewards.unbind(1)
    ]
    together = torch.stack(each, dim=1) @ weights
    step = torch.zeros_like(group)
    return group_normalized(together, step, correction=correction, epsilon=epsilon)


def bnpo(
    rewards: Float[Tensor, "N"], group: Int[Tensor, "N"], *, largest: float
) -> Float[Tensor, "N"]:
    """The centred reward over a Beta density at the group's rate of success, fitted to the step's.

        A_i = (r_i - p) / Beta(p; alpha, beta),   p the mean of the group's rewards, 0 to 1

    BNPO, Xiao et al. 2025 (arXiv:2506.02864); not what TRL calls so. A weight 1 / Beta is
    at most `largest` (their code: 1e6). Rewards lie in 0 to 1. A flat group gives exactly 0.
    """
    rate = segments.means(rewards, group)
    alpha, beta = beta_parameters(one_of_each(rate, group))
    return group_centred(rewards, group) * bnpo_weight(rate, alpha, beta, largest=largest)


def beta_parameters(rates: Float[Tensor, "n"]) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """The Beta that BNPO divides by, from the moments of the groups' rates of success.

        a = (m(1-m)/v - 1) m,   b = (m(1-m)/v - 1)(1-m),   v the sample variance of the rates
        alpha = max(1, 1 + a/3),   beta = max(1, 1 + b/3)

    BNPO's moments (arXiv:2506.02864 and its code). Equal rates, also up to rounding, and a single
    group say nothing of a spread: alpha and beta are 1, the density is 1 everywhere, and nothing is
    rescaled.
    """
    centred = group_centred(rates, torch.zeros_like(rates, dtype=torch.int64))
    mean = rates.mean()
    variance = centred.square().sum() / max(1, len(rates) - 1)
    flat = variance == 0.0
    common = mean * (1.0 - mean) / variance.masked_fill(flat, 1.0) - 1.0
    alpha = (1.0 + common * mean / 3.0).clamp(min=1.0).masked_fill(flat, 1.0)
    beta = (1.0 + common * (1.0 - mean) / 3.0).clamp(min=1.0).masked_fill(flat, 1.0)
    return alpha, beta


def bnpo_weight(
    rates: Float[Tensor, "N"],
    alpha: Float[Tensor, ""],
    beta: Float[Tensor, ""],
    *,
    largest: float,
) -> Float[Tensor, "N"]:
    """1 / Beta(p; alpha, beta), at most `largest`: where the density is 0, that."""
    log_norm = torch.lgamma(alpha) + torch.lgamma(beta) - torch.lgamma(alpha + beta)
    log_density = torch.xlogy(alpha - 1.0, rates) + torch.special.xlog1py(beta - 1.0, -rates)
    return (log_norm - log_density).exp().clamp(max=largest)


def _deviation(centred: Float[Tensor, "M"], correction: int) -> Float[Tensor, ""]:
    """sqrt(sum(x^2) / (M - correction)), for values whose mean is 0."""
    return (centred.square().sum() / max(1, len(centred) - correction)).sqrt()


def _over(centred: Float[Tensor, "N"], scale: Float[Tensor, ""]) -> Float[Tensor, "N"]:
    """Divided, but 0 stays 0 also where the scale is."""
    return (centred / scale).masked_fill(centred == 0.0, 0.0)
