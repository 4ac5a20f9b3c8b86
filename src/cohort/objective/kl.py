"""Estimators of KL(pi || pi_ref) from one sampled token each (Schulman 2020, "Approximating KL").

An unbiased value does not make an unbiased gradient. Over tokens sampled from pi, as a loss term:

    estimator           expected value    expected gradient
    k1                  KL(pi || ref)     0: never a loss; right as a part of the reward
    k2                  biased            that of KL(pi || ref)
    k3                  KL(pi || ref)     that of KL(ref || pi)
    unbiased_k3         KL(pi || ref)     that of KL(pi || ref), also for tokens of an older policy
    k3_straight_through KL(pi || ref)     that of KL(pi || ref)

Gradients flow through `logprobs` only.

    T sampled tokens. All take log-probabilities of the sampled tokens under both policies.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from cohort.objective.surrogates import MAX_LOG_RATIO, ratio


def k1(logprobs: Float[Tensor, "T"], reference: Float[Tensor, "T"]) -> Float[Tensor, "T"]:
    """k1 = log(pi / pi_ref): unbiased, of either sign; for rewards and metrics, not for losses."""
    return logprobs - reference.detach()


def k2(logprobs: Float[Tensor, "T"], reference: Float[Tensor, "T"]) -> Float[Tensor, "T"]:
    """k2 = 1/2 (log(pi / pi_ref))^2: a biased value with the right gradient.

    REINFORCE++-baseline (arXiv:2501.03262v2) has it in the loss.
    """
    return 0.5 * k1(logprobs, reference).square()


def k3(
    logprobs: Float[Tensor, "T"],
    reference: Float[Tensor, "T"],
    *,
    log_ratio_max: float = MAX_LOG_RATIO,
    value_max: float | None = None,
) -> Float[Tensor, "T"]:
    """k3 = pi_ref / pi - log(pi_ref / pi) - 1, never negative. DeepSeekMath, eq. 4.

    Its gradient, unlike its value, is that of the KL the other way round; DeepSeekMath has it so.
    `log_ratio_max` bounds the logarithm before `exp`, and with it the gradient. `value_max`, 10 in
    verl's "low_var_kl", bounds the value; a token above it has no gradient.
    """
    log_ratio = (reference.detach() - logprobs).clamp(-log_ratio_max, log_ratio_max)
    value = log_ratio.exp() - log_ratio - 1.0
    return value if value_max is None else value.clamp(-value_max, value_max)


def unbiased_k3(
    logprobs: Float[Tensor, "T"], old: Float[Tensor, "T"], reference: Float[Tensor, "T"]
) -> Float[Tensor, "T"]:
    """k3 weighed by the ratio to the policy that sampled, rho k3 with rho = pi / pi_old.

    DeepSeek-V3.2 (arXiv:2512.02556), eq. 7. The ratio is *not* detached: its gradient is what
    makes rho k1 grad log pi, that of KL(pi || pi_ref), of the sum. On policy rho is 1, and its
    gradient is still needed.
    """
    return ratio(logprobs, old) * k3(logprobs, reference)


def k3_straight_through(
    logprobs: Float[Tensor, "T"], reference: Float[Tensor, "T"]
) -> Float[Tensor, "T"]:
    """The value of k3 with the gradient of k2: "k3+" in verl."""
    square = k2(logprobs, reference)
    return square - square.detach() + k3(logprobs, reference).detach()
