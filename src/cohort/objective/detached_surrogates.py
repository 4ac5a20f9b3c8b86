"""Surrogates of the form -sg(f) A log pi: a detached weight f on the plain policy gradient.

No token loses its gradient because its ratio was clipped; what is bounded, or set to 0, is the
weight. Nothing flows through f: `policy_gradient` detaches what multiplies log pi. The values of
these losses measure nothing.

    T sampled tokens, rho = pi / pi_old, or pi / mu where the behaviour policy is the sampler's.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cohort.objective.segments import sums
from cohort.objective.surrogates import MAX_LOG_RATIO, policy_gradient, ratio


def cispo(
    logprobs: Float[Tensor, "T"],
    old: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    *,
    ratio_max: float,
    ratio_min: float = 0.0,
) -> Float[Tensor, "T"]:
    """The policy gradient weighed by the bounded ratio; a token beyond the bound keeps a gradient.

        L = -sg(clip(rho, ratio_min, ratio_max)) A log pi

    CISPO (arXiv:2506.13585), eq. 4 and 5; there is no lower bound in its practice, and its upper
    bound was not published. ScaleRL (arXiv:2510.13786) has ratio_max 4 to 8 with rho = pi / mu.
    Bounds are of the ratio itself: an "epsilon" of 0.2 on both sides elsewhere is 0.8 and 1.2 here.
    """
    weight = ratio(logprobs, old).clamp(ratio_min, ratio_max)
    return policy_gradient(logprobs, weight * advantages)


def sao(
    logprobs: Float[Tensor, "T"],
    sampler: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    *,
    low: float,
    high: float,
) -> Float[Tensor, "T"]:
    """The ratio as a weight inside an open interval, nothing outside, whatever the advantage's sign.

        L = -sg(f(rho)) A log pi,  f(rho) = rho where low < rho < high, else 0,  rho = pi / mu

    SAO (arXiv:2607.07508), as described by others: (0.7, 6.0) for tools, (0.2, 4.0) for code.
    """
    weight = sao_weight(logprobs, sampler, low=low, high=high)
    return policy_gradient(logprobs, weight * advantages)


@torch.no_grad()
def sao_weight(
    logprobs: Float[Tensor, "T"], sampler: Float[Tensor, "T"], *, low: float, high: float
) -> Float[Tensor, "T"]:
    """f(rho) of `sao`: the ratio inside the open interval, 0 outside."""
    rho = ratio(logprobs, sampler)
    return rho.masked_fill((rho <= low) | (rho >= high), 0.0)


def topr(
    logprobs: Float[Tensor, "T"],
    old: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    rollout: Int[Tensor, "T"],
) -> Float[Tensor, "T"]:
    """Imitation of what was good, and a tapered push away from what was bad.

        L = -f A log pi,  f = 1 where A > 0,  f = sg(min(prod_t rho_t, 1)) elsewhere

    TOPR (arXiv:2503.14286), canonical form; the product is over the whole rollout, which must not
    be cut. Weights: `per_rollout_sum`.
    """
    product = rollout_ratio(logprobs, old, rollout)
    weight = torch.where(advantages > 0, torch.ones_like(product), product.clamp(max=1.0))
    return policy_gradient(logprobs, weight * advantages)


def vespo(
    logprobs: Float[Tensor, "T"],
    old: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    rollout: Int[Tensor, "T"],
    *,
    positive: tuple[float, float] = (2.0, 3.0),
    negative: tuple[float, float] = (3.0, 2.0),
) -> Float[Tensor, "T"]:
    """A smooth kernel of the rollout's importance weight, 1 on policy, that fades on both sides.

        L = -sg(phi(W)) A log pi,  W = prod_t rho_t

    VESPO (arXiv:2602.10693); (k, lambda) is `positive` where A >= 0, else `negative`. The product
    is over the whole rollout, which must not be cut.
    """
    weight = vespo_weight(
        rollout_ratio(logprobs, old, rollout), advantages, positive=positive, negative=negative
    )
    return policy_gradient(logprobs, weight * advantages)


@torch.no_grad()
def vespo_weight(
    product: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    *,
    positive: tuple[float, float] = (2.0, 3.0),
    negative: tuple[float, float] = (3.0, 2.0),
) -> Float[Tensor, "T"]:
    """VESPO's kernel phi(W) = W^k exp(lambda (1 - W)): 1 at W = 1, 0 at both ends."""
    good = advantages >= 0
    power = torch.where(good, positive[0], torch.full_like(product, negative[0]))
    decay = torch.where(good, positive[1], torch.full_like(product, negative[1]))
    return product.pow(power) * (decay * (1.0 - product)).exp()


def dppo(
    logprobs: Float[Tensor, "T"],
    sampler: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    keep: Bool[Tensor, "T"],
    *,
    cap: float = 20.0,
) -> Float[Tensor, "T"]:
    """The truncated ratio as a weight, on the tokens inside a trust region of probabilities.

        L = -sg(min(rho, cap)) A log pi  where kept, else 0;  rho = pi / mu

    DPPO (arXiv:2602.04879), eq. 12. `keep` is `divergence_masks.total_variation` (0.15) or
    `divergence_masks.binary_divergence` (0.05). The ratio is against the sampler: no further mismatch
    correction.
    """
    weight = ratio(logprobs, sampler).clamp(max=cap).masked_fill(~keep, 0.0)
    return policy_gradient(logprobs, weight * advantages)


@torch.no_grad()
def rollout_ratio(
    logprobs: Float[Tensor, "T"], old: Float[Tensor, "T"], rollout: Int[Tensor, "T"]
) -> Float[Tensor, "T"]:
    """The ratio of a whole rollout, prod_t rho_t, at each of its tokens; detached."""
    return sums(logprobs - old, rollout).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()
