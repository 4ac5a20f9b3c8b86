"""Surrogates whose ratio is that of a whole rollout: every token of a rollout has the same loss.

They need whole rollouts (REAL: whole groups): a rollout that is cut in two is two other rollouts.
The mean over a rollout's tokens of what is given here is the loss of the rollout, so the papers'
"1/G sum over responses" are the weights `per_rollout`. The gradient flows through all tokens of
the rollout; the old log-probabilities are detached.

    T sampled tokens, rho = pi / pi_old, |o| the tokens of a rollout.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cohort.objective.segments import lengths, maxima, means, sums
from cohort.objective.surrogates import MAX_LOG_RATIO, clipped


def mean_log_ratio(
    logprobs: Float[Tensor, "T"], old: Float[Tensor, "T"], rollout: Int[Tensor, "T"]
) -> Float[Tensor, "T"]:
    """The mean of a rollout's log-ratios, at each of its tokens: 1/|o| sum_t log rho_t."""
    return means(logprobs - old.detach(), rollout)


def gspo(
    logprobs: Float[Tensor, "T"],
    old: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    rollout: Int[Tensor, "T"],
    *,
    clip_low: float,
    clip_high: float,
) -> Float[Tensor, "T"]:
    """PPO's clipped surrogate of the geometric mean of a rollout's ratios.

        s = exp(1/|o| sum_t log rho_t),  L = -min(s A, clip(s, 1 - clip_low, 1 + clip_high) A)

    GSPO (arXiv:2507.18071), eq. 5 and 7; bounds 3e-4 and 4e-4, a thousandth of a token's. Weights:
    `per_rollout`; with `per_token` the length bias is back. With `per_rollout_sum`, which counts a
    rollout as often as it has tokens, it is LUSPO (arXiv:2602.05261, bounds 2e-3 and 2.5e-3).
    The advantage is one per rollout; for one per token see `gspo_token`.
    """
    score = mean_log_ratio(logprobs, old, rollout)
    origin = torch.zeros_like(score)
    return clipped(score, origin, advantages, clip_low=clip_low, clip_high=clip_high)


def gspo_token(
    logprobs: Float[Tensor, "T"],
    old: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    rollout: Int[Tensor, "T"],
    *,
    clip_low: float,
    clip_high: float,
) -> Float[Tensor, "T"]:
    """GSPO with a gradient of its own for every token, so advantages may differ within a rollout.

        s_t = sg(s) pi_t / sg(pi_t),  L = -min(s_t A_t, clip(s_t, ...) A_t)

    GSPO (arXiv:2507.18071), eq. 13 and 14. Value and gradient are those of `gspo` where the
    advantage is the same for the whole rollout. The rollout's ratio is detached.
    """
    score = mean_log_ratio(logprobs.detach(), old, rollout) + logprobs - logprobs.detach()
    origin = torch.zeros_like(score)
    return clipped(score, origin, advantages, clip_low=clip_low, clip_high=clip_high)


def gmpo(
    logprobs: Float[Tensor, "T"],
    old: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    rollout: Int[Tensor, "T"],
    *,
    log_clip_low: float,
    log_clip_high: float,
) -> Float[Tensor, "T"]:
    """The geometric mean of token ratios, each clipped on the side to which its advantage pulls.

        L = -A exp(1/|o| sum_t l_t),  l_t = min(log rho_t, log_clip_high) where A > 0,
                                      l_t = max(log rho_t, -log_clip_low) elsewhere

    GMPO (arXiv:2507.20673), with bounds of 0.4 on the logarithm. Weights: `per_rollout`.
    A clipped token has no gradient, and still counts in |o|.
    """
    log_ratio = (logprobs - old.detach()).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
    upper, lower = log_ratio.clamp(max=log_clip_high), log_ratio.clamp(min=-log_clip_low)
    limited = torch.where(advantages > 0, upper, lower)
    return -means(limited, rollout).exp() * advantages


def real(
    logprobs: Float[Tensor, "T"],
    old: Float[Tensor, "T"],
    positive: Bool[Tensor, "T"],
    rollout: Int[Tensor, "T"],
    *,
    group: Int[Tensor, "T"],
    tau: float,
) -> Float[Tensor, "T"]:
    """Rewards as labels: a classification loss over the rollouts of a group.

        L = log(1 + sum_+ exp(-s/tau)) + log(1 + sum_- exp(s/tau)),  s = 1/|o| sum_t log rho_t

    REAL (arXiv:2602.05630), tau 0.5. Both sums are over rollouts. Every token of a group has the
    group's loss, so the weights are `per_prompt`, and a group must not be cut. `positive` is the
    label of the token's rollout; a group without negatives still has a gradient.
    """
    score = mean_log_ratio(logprobs, old, rollout) / tau
    size = lengths(rollout)
    drawn = _log_one_plus_sum_exp(-score.masked_fill(~positive, torch.inf), size, group)
    pushed = _log_one_plus_sum_exp(score.masked_fill(positive, -torch.inf), size, group)
    return drawn + pushed


def _log_one_plus_sum_exp(
    exponents: Float[Tensor, "T"], size: Int[Tensor, "T"], group: Int[Tensor, "T"]
) -> Float[Tensor, "T"]:
    """log(1 + sum over the group's rollouts of exp(x)), without overflow; x is the rollout's."""
    top = maxima(exponents, group).clamp(min=0.0)
    total = sums((exponents - top).exp() / size, group)
    return top + ((-top).exp() + total).log()
