"""What a token is multiplied by because another program, or an older policy, sampled it.

The correction c_t of the loss: pi_old / mu bounded one way or another, or a mask of 0 and 1. The
sampler's log-probabilities are those of the distribution that it sampled from, after temperature
and top-p. All of it is detached: a correction weighs the gradient and has none. It multiplies the
surrogate; TRL leaves the KL term alone, ms-swift multiplies that, too.

Plain `importance` with `surrogates.clipped` around pi_old is decoupled PPO (arXiv:2110.00641;
AReaL, arXiv:2505.24298). A surrogate whose ratio is against the sampler has the correction in it:
the mismatch counts once. What is of a rollout needs whole rollouts.

    T sampled tokens, w = pi_old / mu.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cohort.objective.kl import k3
from cohort.objective.segments import means, sums
from cohort.objective.surrogates import MAX_LOG_RATIO, ratio


@torch.no_grad()
def importance(old: Float[Tensor, "T"], sampler: Float[Tensor, "T"]) -> Float[Tensor, "T"]:
    """The token's importance weight, w = pi_old / mu, unbounded: decoupled PPO."""
    return ratio(old, sampler)


@torch.no_grad()
def sequence_importance(
    old: Float[Tensor, "T"], sampler: Float[Tensor, "T"], rollout: Int[Tensor, "T"]
) -> Float[Tensor, "T"]:
    """The rollout's importance weight, prod_t w_t, at each of its tokens: unbiased, and wild."""
    return sums(old - sampler, rollout).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()


@torch.no_grad()
def geometric_importance(
    old: Float[Tensor, "T"], sampler: Float[Tensor, "T"], rollout: Int[Tensor, "T"]
) -> Float[Tensor, "T"]:
    """The geometric mean of a rollout's weights, (prod_t w_t)^(1/|o|), at each of its tokens.

    It measures the mismatch independently of the length; as a weight it is biased.
    """
    return means(old - sampler, rollout).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()


@torch.no_grad()
def truncated(weight: Float[Tensor, "T"], *, cap: float) -> Float[Tensor, "T"]:
    """Truncated importance sampling, c = min(w, cap).

    TIS (Yao et al. 2025, "Your efficient RL framework secretly brings you off-policy RL training")
    with cap 2 on `importance`, or on `sequence_importance`.
    """
    return weight.clamp(max=cap)


@torch.no_grad()
def masked(weight: Float[Tensor, "T"], *, high: float, low: float = 0.0) -> Float[Tensor, "T"]:
    """Masked importance sampling, c = w where low <= w <= high, else 0.

    MIS (arXiv:2512.23075) with an upper bound alone, by token or by rollout; IcePop
    (arXiv:2510.18855), eq. 1 and 2, with 0.5 and 5 by token.
    """
    return weight.masked_fill((weight < low) | (weight > high), 0.0)


def kept(weight: Float[Tensor, "T"], *, low: float, high: float) -> Float[Tensor, "T"]:
    """Rejection, c = 1 where low <= w <= high, else 0.

    Of `geometric_importance` with 0.999 and 1.001 it is geometric rejection (Geo-RS).
    """
    return ((weight >= low) & (weight <= high)).to(weight.dtype)


def divergence_rejection(
    old: Float[Tensor, "T"],
    sampler: Float[Tensor, "T"],
    rollout: Int[Tensor, "T"],
    *,
    most: float,
) -> Float[Tensor, "T"]:
    """Rejection by the mean of a rollout's k3, c = [1/|o| sum_t (w_t - 1 - log w_t) <= most].

    K3-RS of verl, with 0.001 to 0.01. Unlike a mean of logarithms, drifts of both signs add up.
    """
    return (means(k3(sampler, old), rollout) <= most).to(old.dtype)


def off_policy_sequence_mask(
    logprobs: Float[Tensor, "T"],
    old: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    rollout: Int[Tensor, "T"],
    *,
    delta: float,
) -> Float[Tensor, "T"]:
    """Bad rollouts that the policy has left behind are no longer learned from.

        c = 0 where A < 0 and 1/|o| sum_t log(pi_old / pi) > delta, else 1

    OPSM of DeepSeek-V3.2 (arXiv:2512.02556), eq. 9; `old` is the sampler there, delta was not
    published. It multiplies the surrogate and not the KL term. It needs whole rollouts.
    """
    drift = means(old - logprobs, rollout)
    return 1.0 - ((advantages < 0) & (drift > delta)).to(logprobs.dtype)
