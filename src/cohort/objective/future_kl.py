"""FIPO: how much a token counts, by what became of the tokens after it.

The drift of the policy on the rest of the rollout, discounted, says whether the future of a token
is being made more or less likely, and its advantage is scaled by that. It needs whole rollouts,
their tokens in order. Everything is detached.

    T sampled tokens, rho = pi / pi_old.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cohort.objective.segments import suffix_sums
from cohort.objective.surrogates import MAX_LOG_RATIO, ratio


@torch.no_grad()
def future_kl(
    logprobs: Float[Tensor, "T"],
    old: Float[Tensor, "T"],
    rollout: Int[Tensor, "T"],
    *,
    half_life_tokens: float,
    ratio_max: float,
) -> Float[Tensor, "T"]:
    """The discounted drift from a token to the end of its rollout.

        F_t = sum over k >= t of gamma^(k - t) [rho_k <= ratio_max] log rho_k,
        gamma = 2^(-1 / half_life_tokens)

    FIPO (arXiv:2603.19835); half-life 32, ratio_max 10. A token above ratio_max adds nothing, and
    keeps its place in the count k - t.
    """
    log_ratio = logprobs - old
    outlier = ratio(logprobs, old) > ratio_max
    discount = 2.0 ** (-1.0 / half_life_tokens)
    return suffix_sums(log_ratio.masked_fill(outlier, 0.0), rollout, discount=discount)


@torch.no_grad()
def fipo_weight(
    logprobs: Float[Tensor, "T"],
    old: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    future: Float[Tensor, "T"],
    *,
    low: float = 1.0,
    high: float = 1.2,
    safety: float = 4.0,
) -> Float[Tensor, "T"]:
    """What the token's loss is multiplied by: f_t = clip(exp(F_t), low, high).

    FIPO (arXiv:2603.19835). Where A < 0 and rho > safety, the weight is then bounded to [0.8, 1],
    so that an outlier is not pushed harder. `future` is `future_kl`. It multiplies `clipped` or,
    with cap 10 as in the authors' scripts, `dual_clipped`: f is positive, so it may stand before
    the minimum.
    """
    weight = future.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp().clamp(low, high)
    outlier = (advantages < 0) & (ratio(logprobs, old) > safety)
    return torch.where(outlier, weight.clamp(0.8, 1.0), weight)
