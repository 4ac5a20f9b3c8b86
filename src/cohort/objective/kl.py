"""Estimators of KL(pi || pi_ref) from one sampled token each (Schulman 2020, "Approximating KL").

T sampled tokens. All take log-probabilities of the sampled tokens under both policies.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from cohort.objective.surrogates import MAX_LOG_RATIO


def k3(logprobs: Float[Tensor, "T"], reference: Float[Tensor, "T"]) -> Float[Tensor, "T"]:
    """k3 = pi_ref / pi - log(pi_ref / pi) - 1, never negative. DeepSeekMath, eq. 4.

    Its gradient, unlike its value, is that of the KL the other way round; DeepSeekMath has it so.
    """
    log_ratio = (reference.detach() - logprobs).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
    return log_ratio.exp() - log_ratio - 1.0
