"""What stands beside the surrogate in a token's loss: the correction for another sampler, entropy.

Traits: `pulls` as in `choices_of_loss`; `all tokens` it is asked of all tokens of an update at once,
also of those without an advantage.
"""

from __future__ import annotations

from jaxtyping import Bool, Float, Int
from torch import Tensor

from cohort.objective import corrections, entropy
from cohort.objective.choices import Choice

_MISMATCH = ("old", "sampler")


def _token_truncated(
    old: Float[Tensor, "T"], sampler: Float[Tensor, "T"], *, cap: float
) -> Float[Tensor, "T"]:
    return corrections.truncated(corrections.importance(old, sampler), cap=cap)


def _sequence_truncated(
    old: Float[Tensor, "T"], sampler: Float[Tensor, "T"], rollout: Int[Tensor, "T"], *, cap: float
) -> Float[Tensor, "T"]:
    return corrections.truncated(corrections.sequence_importance(old, sampler, rollout), cap=cap)


def _token_masked(
    old: Float[Tensor, "T"], sampler: Float[Tensor, "T"], *, low: float, high: float
) -> Float[Tensor, "T"]:
    return corrections.masked(corrections.importance(old, sampler), low=low, high=high)


def _sequence_masked(
    old: Float[Tensor, "T"], sampler: Float[Tensor, "T"], rollout: Int[Tensor, "T"], *, high: float
) -> Float[Tensor, "T"]:
    return corrections.masked(corrections.sequence_importance(old, sampler, rollout), high=high)


def _geometric_rejection(
    old: Float[Tensor, "T"],
    sampler: Float[Tensor, "T"],
    rollout: Int[Tensor, "T"],
    *,
    low: float,
    high: float,
) -> Float[Tensor, "T"]:
    weight = corrections.geometric_importance(old, sampler, rollout)
    return corrections.kept(weight, low=low, high=high)


_INTERVAL = {"low": "correction_low", "high": "correction_high"}

CORRECTIONS: dict[str, Choice] = {
    "none": Choice("c = 1"),
    "importance": Choice("c = w, w = pi_old / mu", corrections.importance, _MISMATCH),
    "token-truncated": Choice(
        "c = min(w, correction_cap)", _token_truncated, _MISMATCH, reads={"cap": "correction_cap"}
    ),
    "sequence-truncated": Choice(
        "c = min(prod_t w_t, correction_cap)",
        _sequence_truncated,
        (*_MISMATCH, "rollout"),
        reads={"cap": "correction_cap"},
    ),
    "token-masked": Choice(
        "c = w where correction_low <= w <= correction_high, else 0",
        _token_masked,
        _MISMATCH,
        reads=_INTERVAL,
    ),
    "sequence-masked": Choice(
        "c = prod_t w_t where at most correction_high, else 0",
        _sequence_masked,
        (*_MISMATCH, "rollout"),
        reads={"high": "correction_high"},
    ),
    "geometric-rejection": Choice(
        "c = 1 where correction_low <= (prod_t w_t)^(1/|o|) <= correction_high, else 0",
        _geometric_rejection,
        (*_MISMATCH, "rollout"),
        reads=_INTERVAL,
    ),
    "divergence-rejection": Choice(
        "c = 1 where mean_t(w_t - 1 - log w_t) <= divergence_max, else 0",
        corrections.divergence_rejection,
        (*_MISMATCH, "rollout"),
        reads={"most": "divergence_max"},
    ),
    "off-policy-mask": Choice(
        "c = 0 where A < 0 and mean_t log(mu / pi) > drift, else 1",
        corrections.off_policy_sequence_mask,
        ("logprobs", "sampler", "advantages", "rollout"),
        reads={"delta": "drift"},
    ),
}
"""What the surrogate is multiplied by because another program, or an older policy, sampled."""


def drift_of_chosen(
    logprobs: Float[Tensor, "T"],
    old: Float[Tensor, "T"],
    *,
    chosen: Bool[Tensor, "T"],
    coefficient: float,
) -> Float[Tensor, "T"]:
    """KL-Cov's penalty: `entropy.drift_penalty` on the chosen tokens."""
    return entropy.drift_penalty(logprobs, old, chosen, coefficient=coefficient)


_ALL = frozenset({"all tokens"})

ENTROPY: dict[str, Choice] = {
    "none": Choice("nothing"),
    "bonus": Choice(
        "L - entropy_coefficient H",
        entropy.bonus,
        ("entropies",),
        reads={"coefficient": "entropy_coefficient"},
        traits=frozenset({"pulls"}),
    ),
    "adaptive-bonus": Choice(
        "L - c H; c rises by entropy_change while H < entropy_target, and falls above; none above it",
        entropy.bonus,
        ("entropies",),
        reads={"coefficient": "entropy_coefficient"},
        also_reads=("entropy_target", "entropy_change", "entropy_largest"),
        traits=frozenset({"pulls"}),
    ),
    "most-uncertain": Choice(
        "L where H is among the entropy_share highest of the update, else 0",
        also_reads=("entropy_share",),
        traits=_ALL,
    ),
    "clip-cov": Choice(
        "0 for a covariance_share of tokens, at random among covariance_low < cov < covariance_high",
        also_reads=("covariance_low", "covariance_high", "covariance_share"),
        traits=_ALL,
    ),
    "kl-cov": Choice(
        "L + covariance_coefficient |log rho| for the covariance_share of highest cov(log pi, A)",
        drift_of_chosen,
        ("logprobs", "old"),
        named={"chosen": "chosen"},
        reads={"coefficient": "covariance_coefficient"},
        also_reads=("covariance_share",),
        traits=_ALL,
    ),
}
"""How entropy is kept, by name."""
