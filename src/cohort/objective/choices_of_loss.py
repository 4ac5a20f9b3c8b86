"""What the loss of a token is made of: the surrogates, and the divergence from the reference.

Traits: `pulls` a token without an advantage has a gradient, too, and may not be dropped; `capped` it
weighs by a bounded ratio instead of letting go of a token; `on policy` it is right for tokens of the
current policy only.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor

from cohort.objective import (
    detached_surrogates,
    divergence_masks,
    future_kl,
    kl,
    quadratic_surrogates,
    sequence_surrogates,
    surrogates,
)
from cohort.objective.choices import Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """T sampled tokens of whole rollouts, and what the loss of each is made of.

    logprobs, entropies: the policy's, with gradient. old: the policy's before the first update;
    sampler: of whatever sampled; then: the one of these two that the ratio is against.
    reference: needed where there is a KL term. advantages, weights: constants of the whole step.
    chosen: which tokens the entropy's part has picked, of all tokens of the update.
    """

    logprobs: Float[Tensor, "T"]
    entropies: Float[Tensor, "T"]
    old: Float[Tensor, "T"]
    sampler: Float[Tensor, "T"]
    then: Float[Tensor, "T"]
    advantages: Float[Tensor, "T"]
    weights: Float[Tensor, "T"]
    rollout: Int[Tensor, "T"]
    reference: Float[Tensor, "T"] | None = None
    chosen: Bool[Tensor, "T"] | None = None


def dppo_total_variation(
    logprobs: Float[Tensor, "T"],
    then: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    *,
    region: float,
    cap: float,
) -> Float[Tensor, "T"]:
    """DPPO (arXiv:2602.04879) with its trust region of total variation, |pi - mu| <= region."""
    keep = divergence_masks.total_variation(logprobs, then, advantages, delta=region)
    return detached_surrogates.dppo(logprobs, then, advantages, keep, cap=cap)


def dppo_divergence(
    logprobs: Float[Tensor, "T"],
    then: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    *,
    region: float,
    cap: float,
) -> Float[Tensor, "T"]:
    """DPPO (arXiv:2602.04879) with its trust region of KL between "it or another"."""
    keep = divergence_masks.binary_divergence(logprobs, then, advantages, delta=region)
    return detached_surrogates.dppo(logprobs, then, advantages, keep, cap=cap)


def prime_rl(
    logprobs: Float[Tensor, "T"],
    then: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    *,
    region: float,
    tau: float,
) -> Float[Tensor, "T"]:
    """The default of prime-rl (August 2026), whose trust region is one of total variation."""
    keep = divergence_masks.total_variation(logprobs, then, advantages, delta=region)
    return quadratic_surrogates.prime_rl(logprobs, then, advantages, keep, tau=tau)


def fipo(
    logprobs: Float[Tensor, "T"],
    then: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    rollout: Int[Tensor, "T"],
    *,
    clip_low: float,
    clip_high: float,
    half_life_tokens: float,
    ratio_max: float,
) -> Float[Tensor, "T"]:
    """The clipped surrogate, weighed by what became of the rest: FIPO (arXiv:2603.19835)."""
    future = future_kl.future_kl(
        logprobs, then, rollout, half_life_tokens=half_life_tokens, ratio_max=ratio_max
    )
    weight = future_kl.fipo_weight(logprobs, then, advantages, future)
    bounds = {"clip_low": clip_low, "clip_high": clip_high}
    return weight * surrogates.clipped(logprobs, then, advantages, **bounds)


def kimi_k2_5(
    logprobs: Float[Tensor, "T"],
    then: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    *,
    log_clip_low: float,
    log_clip_high: float,
    tau: float,
) -> Float[Tensor, "T"]:
    """Kimi K2.5 (arXiv:2602.02276), eq. 1, with both bounds given as distances from 0."""
    bounds = {"log_low": -log_clip_low, "log_high": log_clip_high}
    return quadratic_surrogates.kimi_k2_5(logprobs, then, advantages, **bounds, tau=tau)


_TOKEN = ("logprobs", "then", "advantages")
_WHOLE = (*_TOKEN, "rollout")
_CLIP = {"clip_low": "clip_low", "clip_high": "clip_high"}
_LOG_CLIP = {"log_clip_low": "log_clip_low", "log_clip_high": "log_clip_high"}
_PULLS = frozenset({"pulls"})
_CAPPED = frozenset({"capped"})

SURROGATES: dict[str, Choice] = {
    "clip": Choice(
        "L = -min(rho A, clip(rho, 1 - clip_low, 1 + clip_high) A)",
        surrogates.clipped,
        _TOKEN,
        reads=_CLIP,
    ),
    "dual-clip": Choice(
        "L = min(L_clip, -loss_cap A) where A < 0, L_clip elsewhere",
        surrogates.dual_clipped,
        _TOKEN,
        reads=_CLIP | {"cap": "loss_cap"},
    ),
    "two-sided": Choice(
        "L = -min(min(rho, ratio_max) A, clip(rho, 1 - clip_low, 1 + clip_high) A)",
        surrogates.two_sided,
        _TOKEN,
        reads=_CLIP | {"delta": "ratio_max"},
    ),
    "ratio": Choice("L = -rho A", surrogates.unclipped, _TOKEN),
    "log-probability": Choice(
        "L = -A log pi",
        surrogates.policy_gradient,
        ("logprobs", "advantages"),
        traits=frozenset({"on policy"}),
    ),
    "soft-gate": Choice(
        "L = -(4 / tau) sigmoid(tau (rho - 1)) A, tau by the sign of A",
        surrogates.sapo,
        _TOKEN,
        reads={"tau_positive": "tau_positive", "tau_negative": "tau_negative"},
    ),
    "sequence-clip": Choice(
        "L = -min(s A, clip(s, 1 - clip_low, 1 + clip_high) A),  s = exp(mean_t log rho_t)",
        sequence_surrogates.gspo,
        _WHOLE,
        reads=_CLIP,
    ),
    "sequence-clip-by-token": Choice(
        "L = -min(s_t A_t, clip(s_t, ...) A_t),  s_t = sg(s) pi_t / sg(pi_t)",
        sequence_surrogates.gspo_token,
        _WHOLE,
        reads=_CLIP,
    ),
    "geometric-mean": Choice(
        "L = -A exp(mean_t l_t),  l_t = log rho_t, clipped on the side that A pulls to",
        sequence_surrogates.gmpo,
        _WHOLE,
        reads=_LOG_CLIP,
    ),
    "capped-ratio": Choice(
        "L = -sg(min(rho, ratio_max)) A log pi",
        detached_surrogates.cispo,
        _TOKEN,
        reads={"ratio_max": "ratio_max"},
        traits=_CAPPED,
    ),
    "ratio-in-interval": Choice(
        "L = -sg(rho) A log pi where ratio_low < rho < ratio_high, else 0",
        detached_surrogates.sao,
        _TOKEN,
        reads={"low": "ratio_low", "high": "ratio_high"},
    ),
    "tapered": Choice(
        "L = -f A log pi,  f = 1 where A > 0, sg(min(prod_t rho_t, 1)) elsewhere",
        detached_surrogates.topr,
        _WHOLE,
    ),
    "kernel": Choice(
        "L = -sg(W^k exp(lambda (1 - W))) A log pi,  W = prod_t rho_t, k and lambda by the sign of A",
        detached_surrogates.vespo,
        _WHOLE,
    ),
    "probability-region": Choice(
        "L = -sg(min(rho, ratio_max)) A log pi where |pi - mu| <= region or A pulls back, else 0",
        dppo_total_variation,
        _TOKEN,
        reads={"region": "region", "cap": "ratio_max"},
    ),
    "divergence-region": Choice(
        "L = -sg(min(rho, ratio_max)) A log pi where KL(mu, pi) <= region or A pulls back, else 0",
        dppo_divergence,
        _TOKEN,
        reads={"region": "region", "cap": "ratio_max"},
    ),
    "region-and-square": Choice(
        "L = -[|pi - mu| <= region or A pulls back] rho A + tau (log rho)^2",
        prime_rl,
        _TOKEN,
        reads={"region": "region", "tau": "tau"},
        traits=_PULLS,
    ),
    "square": Choice(
        "L = -A log pi + tau/2 (log rho)^2",
        quadratic_surrogates.dro,
        _TOKEN,
        reads={"beta": "tau"},
        traits=_PULLS,
    ),
    "sequence-square": Choice(
        "L of a rollout = -A sum_t log pi_t + tau/2 (sum_t log rho_t)^2",
        quadratic_surrogates.kimi_k1_5,
        _WHOLE,
        reads={"tau": "tau"},
        traits=_PULLS,
    ),
    "clip-and-square": Choice(
        "L = -clip(rho, exp(-log_clip_low), exp(log_clip_high)) A + tau (log rho)^2",
        kimi_k2_5,
        _TOKEN,
        reads=_LOG_CLIP | {"tau": "tau"},
        traits=_PULLS,
    ),
    "future-weighted": Choice(
        "L = clip(exp(F_t), 1, 1.2) L_clip,  F_t = sum_{k>=t} 2^(-(k-t)/half_life) log rho_k",
        fipo,
        _WHOLE,
        reads=_CLIP | {"half_life_tokens": "half_life_tokens", "ratio_max": "outlier_ratio"},
    ),
}
"""The loss of a token, by name. rho = pi / pi_old, or pi / mu where `behaviour` is `sampler`."""

_AGAINST = ("logprobs", "reference")

KL: dict[str, Choice] = {
    "k2": Choice("1/2 (log pi / pi_ref)^2", kl.k2, _AGAINST),
    "k3": Choice("pi_ref / pi - log(pi_ref / pi) - 1", kl.k3, _AGAINST),
    "k3-straight-through": Choice(
        "the value of k3, the gradient of k2", kl.k3_straight_through, _AGAINST
    ),
    "unbiased-k3": Choice(
        "rho (pi_ref / pi - log(pi_ref / pi) - 1)",
        kl.unbiased_k3,
        ("logprobs", "then", "reference"),
    ),
    "in-reward": Choice("r_t - beta log(pi / pi_ref), and nothing in the loss"),
}
"""The divergence from the reference, which beta weighs."""
