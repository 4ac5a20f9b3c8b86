"""What a sampled token costs: one loss per token, whose gradient is the policy gradient.

Nothing here averages, and no token's loss depends on another token. Gradients flow through
`logprobs` only: the old log-probabilities are detached, advantages are constants. Surrogates with
a ratio of whole rollouts are in `sequence_surrogates.py`, those that weigh log pi by a detached
number in `detached_surrogates.py`, those with a squared log-ratio in `quadratic_surrogates.py`.

    T sampled tokens, rho = pi / pi_old.
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
    With clip_low above 1 only the upper bound acts, as in DeepSeek-R1 with 10.
    """
    rho = ratio(logprobs, old)
    bounded = rho.clamp(1.0 - clip_low, 1.0 + clip_high)
    return -torch.minimum(rho * advantages, bounded * advantages)


def dual_clipped(
    logprobs: Float[Tensor, "T"],
    old: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    *,
    clip_low: float,
    clip_high: float,
    cap: float,
) -> Float[Tensor, "T"]:
    """PPO's clipped surrogate, and no loss above -cap A where the advantage is negative.

        L = min(L_clip, -cap A)  where A < 0,  L_clip elsewhere

    Ye et al. 2020 (arXiv:1912.09729). A capped token has no gradient. cap is above 1.
    """
    losses = clipped(logprobs, old, advantages, clip_low=clip_low, clip_high=clip_high)
    return torch.where(advantages < 0, torch.minimum(losses, -cap * advantages), losses)


def two_sided(
    logprobs: Float[Tensor, "T"],
    old: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    *,
    clip_low: float,
    clip_high: float,
    delta: float,
) -> Float[Tensor, "T"]:
    """PPO's clipped surrogate with the unclipped ratio, too, bounded above.

        L = -min(min(rho, delta) A, clip(rho, 1 - clip_low, 1 + clip_high) A)

    INTELLECT-2 (arXiv:2505.07291); delta is above 1 + clip_high. It equals
    `dual_clipped` with cap = delta.
    """
    rho = ratio(logprobs, old)
    bounded = rho.clamp(1.0 - clip_low, 1.0 + clip_high)
    return -torch.minimum(rho.clamp(max=delta) * advantages, bounded * advantages)


def unclipped(
    logprobs: Float[Tensor, "T"], old: Float[Tensor, "T"], advantages: Float[Tensor, "T"]
) -> Float[Tensor, "T"]:
    """The importance-weighted policy gradient without a trust region, L = -rho A.

    Conservative policy iteration in PPO (arXiv:1707.06347), eq. 6; the base of KL-Cov.
    """
    return -ratio(logprobs, old) * advantages


def policy_gradient(
    logprobs: Float[Tensor, "T"], advantages: Float[Tensor, "T"]
) -> Float[Tensor, "T"]:
    """The plain policy gradient, L = -A log pi.

    Williams 1992; the loss of RLOO (arXiv:2402.14740, where the rollout is one action: weights
    `per_rollout_sum`), ReMax (arXiv:2310.10505) and GPG (arXiv:2504.02546). Its value is no measure
    of progress. It is right for tokens of the current policy only.
    """
    return -advantages.detach() * logprobs


def negative_log_likelihood(logprobs: Float[Tensor, "T"]) -> Float[Tensor, "T"]:
    """Imitation, L = -log pi: in DeepSeekMath's unified view (section 5.2.1) a coefficient of 1."""
    return -logprobs


def sapo(
    logprobs: Float[Tensor, "T"],
    old: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    *,
    tau_positive: float,
    tau_negative: float,
) -> Float[Tensor, "T"]:
    """A soft gate in the place of the clip: the gradient fades as the ratio leaves 1.

        L = -(4 / tau) sigmoid(tau (rho - 1)) A,  tau = tau_positive where A > 0, else tau_negative

    SAPO (arXiv:2511.20347). The factor 4/tau makes the gradient at rho = 1 that of -A log pi for
    every tau; some descriptions leave it out. The paper has 1.0 and 1.05. The gradient flows
    through the sigmoid, as 4 s (1 - s) rho.
    """
    tau = torch.where(advantages > 0, tau_positive, torch.full_like(logprobs, tau_negative))
    gate = 4.0 / tau * torch.sigmoid(tau * (ratio(logprobs, old) - 1.0))
    return -gate * advantages
