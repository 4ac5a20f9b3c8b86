"""Surrogates with a squared log-ratio, which pulls every token back to where it was sampled.

The square is not clipped and not masked: it is what acts on the tokens that the policy term has
let go. The gradient flows through it, through `logprobs` only.

    T sampled tokens, rho = pi / pi_old, or pi / mu where the behaviour policy is the sampler's.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cohort.objective.segments import lengths, sums
from cohort.objective.surrogates import policy_gradient, unclipped


def squared_log_ratio(logprobs: Float[Tensor, "T"], old: Float[Tensor, "T"]) -> Float[Tensor, "T"]:
    """(log rho)^2, twice the k2 estimator against the old policy."""
    return (logprobs - old.detach()).square()


def dro(
    logprobs: Float[Tensor, "T"],
    old: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    *,
    beta: float,
) -> Float[Tensor, "T"]:
    """The plain policy gradient with a squared penalty, L = -(A log pi - beta/2 (log rho)^2).

    Direct reward optimisation (arXiv:2405.19107) by token, with the advantage for r - V.
    """
    penalty = 0.5 * beta * squared_log_ratio(logprobs, old)
    return policy_gradient(logprobs, advantages) + penalty


def kimi_k1_5(
    logprobs: Float[Tensor, "T"],
    old: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    rollout: Int[Tensor, "T"],
    *,
    tau: float,
) -> Float[Tensor, "T"]:
    """Mirror descent on whole rollouts.

        L of a rollout = -A sum_t log pi_t + tau/2 (sum_t log rho_t)^2

    Kimi k1.5 (arXiv:2501.12599), eq. 3, whose gradient this has; tau was not published. `old` is
    the policy at the start of the iteration, A = r - mean(r). The square is of the whole rollout,
    which must not be cut, and is shared out over its tokens. Weights: `per_rollout_sum`.
    """
    total = sums(logprobs - old.detach(), rollout)
    penalty = 0.5 * tau * total.square() / lengths(rollout)
    return policy_gradient(logprobs, advantages) + penalty


def kimi_k2_5(
    logprobs: Float[Tensor, "T"],
    old: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    *,
    log_low: float,
    log_high: float,
    tau: float,
) -> Float[Tensor, "T"]:
    """The clipped ratio, whatever the advantage's sign, with a squared penalty on every token.

        L = -clip(rho, exp(log_low), exp(log_high)) A + tau (log rho)^2

    Kimi K2.5 (arXiv:2602.02276), eq. 1; bounds and tau were not published. A token outside has no
    policy gradient, also where PPO's minimum would have given it one. log_low is negative.
    """
    bounded = (logprobs - old.detach()).clamp(log_low, log_high).exp()
    return tau * squared_log_ratio(logprobs, old) - bounded * advantages


def prime_rl(
    logprobs: Float[Tensor, "T"],
    sampler: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    keep: Bool[Tensor, "T"],
    *,
    tau: float,
) -> Float[Tensor, "T"]:
    """The unclipped ratio on the tokens inside a trust region, with a squared penalty on all.

        L = -[kept] rho A + tau (log rho)^2,  rho = pi / mu

    The default of prime-rl (August 2026): `keep` is `divergence_masks.total_variation` with 0.2, tau
    1e-3, A = r - mean(r). Here the ratio carries the gradient, unlike in `detached_surrogates.dppo`.
    """
    policy = torch.where(keep, unclipped(logprobs, sampler, advantages), torch.zeros_like(logprobs))
    return policy + tau * squared_log_ratio(logprobs, sampler)
