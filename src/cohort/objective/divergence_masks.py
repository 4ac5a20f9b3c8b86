"""Which tokens stay in the loss because the policy has not moved too far on them.

A token is dropped only where its update would take it further out: where it is too probable
already and its advantage is positive, or too improbable and its advantage negative. What is
compared are probabilities, not ratios: a ratio is too strict on rare tokens and too lax on
frequent ones. Masks; nothing is differentiated.

    T sampled tokens; p = pi(token), m = mu(token) of the sampler.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def total_variation(
    logprobs: Float[Tensor, "T"],
    sampler: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    *,
    delta: float,
) -> Bool[Tensor, "T"]:
    """Kept tokens where the divergence is D = |p - m|: the total variation of "it or another".

    DPPO (arXiv:2602.04879), binary TV; delta 0.15, or 0.2 in prime-rl.
    """
    distance = (logprobs.exp() - sampler.exp()).abs()
    return ~((distance > delta) & _outward(logprobs, sampler, advantages))


def binary_divergence(
    logprobs: Float[Tensor, "T"],
    sampler: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    *,
    delta: float,
) -> Bool[Tensor, "T"]:
    """Kept tokens where the divergence is KL between "it or another" of sampler and policy.

        D = m log(m / p) + (1 - m) log((1 - m) / (1 - p))

    DPPO (arXiv:2602.04879), binary KL; delta 0.05. A rest of 0, where p or m is 1, counts as the
    smallest number above 0 that a difference from 1 can have.
    """
    smallest = torch.finfo(logprobs.dtype).eps
    rest = (-torch.expm1(logprobs)).clamp(min=smallest)
    rest_sampler = (-torch.expm1(sampler)).clamp(min=smallest)
    distance = sampler.exp() * (sampler - logprobs) + rest_sampler * (rest_sampler / rest).log()
    return ~((distance > delta) & _outward(logprobs, sampler, advantages))


def _outward(
    logprobs: Float[Tensor, "T"], sampler: Float[Tensor, "T"], advantages: Float[Tensor, "T"]
) -> Bool[Tensor, "T"]:
    """Tokens that the advantage takes further away from the sampler."""
    rise = (advantages > 0) & (logprobs > sampler)
    fall = (advantages < 0) & (logprobs < sampler)
    return rise | fall
