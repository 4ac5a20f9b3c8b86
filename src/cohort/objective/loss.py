"""The loss of a step is a dot product over its sampled tokens.

    loss = sum_t  w_t * ( c_t * surrogate(logp_t, old_t, A_t)  +  beta * k(logp_t, ref_t) )

Every w_t was counted for the whole step, so the sum over any part of the tokens is that part's
share, and the parts add up to the same loss however the step is cut.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cohort.objective.algorithms import Algorithm


def policy_loss(
    algorithm: Algorithm,
    logprobs: Float[Tensor, "T"],
    *,
    old: Float[Tensor, "T"] | None,
    advantages: Float[Tensor, "T"],
    weights: Float[Tensor, "T"],
    reference: Float[Tensor, "T"] | None = None,
) -> Float[Tensor, ""]:
    """The share of these tokens in the step's loss.

    `old` None says that `logprobs` are those of the policy that sampled: the ratio is 1 and only
    its gradient is left. `reference` is needed where the algorithm's beta is not 0.
    """
    then = logprobs.detach() if old is None else old
    losses = algorithm.surrogate(logprobs, then, advantages)
    if algorithm.beta:
        assert reference is not None, f"beta is {algorithm.beta} and there is no reference"
        losses = losses + algorithm.beta * algorithm.divergence(logprobs, reference)
    return torch.dot(weights, losses)
