"""What a sampled token costs: one loss per token, whose gradient is the policy gradient.

Nothing here averages. Gradients flow through `logprobs` only.

    T sampled tokens.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

MAX_LOG_RATIO = 20.0
"""Log-ratios are clamped to plus or minus this before `exp`: beyond it a token is off the charts
in either direction, and an overflow would be NaN in the gradient."""


def ratio(logprobs: Float[Tensor, "T"], old: Float[Tensor, "T"]) -> Float[Tensor, "T"]:
    """pi(token) / pi_old(token), from log-probabilities; finite for every finite input."""
    return (logprobs - old.detach()).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()


def clipped(
    logprobs: Float[Tensor, "T"],
    old: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    *,
    clip_low: float,
    clip_high: float,
) -> Float[Tensor, "T"]:
    """PPO's clipped surrogate, as a loss.

        L = -min(rho A, clip(rho, 1 - clip_low, 1 + clip_high) A),  rho = pi / pi_old

    Schulman et al. 2017 (arXiv:1707.06347), eq. 7; separate bounds as in DAPO (arXiv:2503.14476).
    """
    rho = ratio(logprobs, old)
    bounded = rho.clamp(1.0 - clip_low, 1.0 + clip_high)
    return -torch.minimum(rho * advantages, bounded * advantages)


def negative_log_likelihood(logprobs: Float[Tensor, "T"]) -> Float[Tensor, "T"]:
    """Imitation, L = -log pi: in DeepSeekMath's unified view (section 5.2.1) a coefficient of 1."""
    return -logprobs
