"""Hybrid GRPO: several samples of one state as in GRPO, with a critic's bootstrap as in PPO.

Soham Sane 2025 (arXiv:2502.01652) and its author's code. The paper's body could not be read; the
formulas are from its abstract, the code and secondary reports.

    N samples of all states of a step, `group` the state of each, n steps taken from each sample.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cohort.objective import segments
from cohort.objective.advantages import group_centred


def bootstrapped(
    rewards: Float[Tensor, "N n"], following: Float[Tensor, "N"], *, gamma: float
) -> Float[Tensor, "N"]:
    """What a sample is worth: its n rewards and the value of the state that they lead to.

        y_i = sum_{k < n} gamma^k r_ik + gamma^n V(s_i,n)

    n = 1 is the paper's core, n > 1 its "hierarchical" sub-sampling. `following` is 0 after an end.
    """
    steps = rewards.shape[1]
    powers = gamma ** torch.arange(steps, device=rewards.device, dtype=rewards.dtype)
    return rewards @ powers + gamma**steps * following


def shared_credit(
    targets: Float[Tensor, "N"], values: Float[Tensor, "N"], group: Int[Tensor, "N"]
) -> Float[Tensor, "N"]:
    """All samples of a state have its advantage: A = 1/N sum_i y_i - V(s).

    The paper's form. It lowers the variance of the state's estimate by 1/N and says nothing of
    which sample was better. One sample, n = 1: the TD error r + gamma V(s') - V(s).
    """
    return segments.means(targets - values, group)


def per_sample_credit(
    targets: Float[Tensor, "N"],
    values: Float[Tensor, "N"],
    group: Int[Tensor, "N"],
    *,
    centred: bool,
) -> Float[Tensor, "N"]:
    """Each sample has its own advantage: A_i = y_i - V(s), or less the mean of these in its state.

    With `centred` and no values after the samples this is GRPO's r_i - mean(r), and 0 for a state
    of one sample.
    """
    advantages = targets - values
    return group_centred(advantages, group) if centred else advantages


def squashed(rewards: Float[Tensor, "N"], *, scale: float) -> Float[Tensor, "N"]:
    """tanh(scale r): bounds what one reward can do. It saturates, so the scale is to be watched."""
    return torch.tanh(scale * rewards)


class Moments(NamedTuple):
    """Number, mean and sum of squared differences of all rewards so far."""

    number: Float[Tensor, ""]
    mean: Float[Tensor, ""]
    squares: Float[Tensor, ""]


def with_rewards(moments: Moments, rewards: Float[Tensor, "N"]) -> Moments:
    """The moments with the rewards of another step; in any order and cut, the same but for rounding.

    Chan et al. 1979. No reward leaves them as they are.
    """
    if not len(rewards):
        return moments
    number = moments.number + len(rewards)
    shift = rewards.mean() - moments.mean
    own = (rewards - rewards.mean()).square().sum()
    between = shift.square() * moments.number * len(rewards) / number
    mean = moments.mean + shift * len(rewards) / number
    return Moments(number, mean, moments.squares + own + between)


def adaptively_normalized(
    rewards: Float[Tensor, "N"], moments: Moments, *, epsilon: float
) -> Float[Tensor, "N"]:
    """R' = (R - mu) / (sigma + epsilon), with the running population moments of all rewards so far."""
    deviation = (moments.squares / moments.number.clamp(min=1.0)).sqrt()
    return (rewards - moments.mean) / (deviation + epsilon)
