"""What is measured beside the loss, from the same inputs: nothing here is learned from.

T sampled tokens.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cohort.objective.surrogates import ratio


def without_gradient(losses: Float[Tensor, "T"], logprobs: Float[Tensor, "T"]) -> Bool[Tensor, "T"]:
    """Tokens whose log-probability has no influence on these losses: clipped, capped or masked.

    `logprobs` is what the losses were computed from. Of a clipped surrogate they are the tokens
    that TRL's clip ratios count.
    """
    (gradient,) = torch.autograd.grad(losses.sum(), logprobs, retain_graph=True)
    return gradient == 0.0


@torch.no_grad()
def above(
    logprobs: Float[Tensor, "T"], then: Float[Tensor, "T"], *, ratio_max: float
) -> Bool[Tensor, "T"]:
    """Tokens whose ratio is above a bound: of CISPO those whose weight is not the ratio."""
    return ratio(logprobs, then) > ratio_max


@torch.no_grad()
def effective_share(weights: Float[Tensor, "T"]) -> Float[Tensor, ""]:
    """The effective sample size of importance weights, as a share of their number: 1 if all are equal.

        (sum w)^2 / (T sum w^2)

    Kong 1992. At least 1 / T. No token: 1.
    """
    square = weights.sum().square()
    return (square / (len(weights) * weights.square().sum())).nan_to_num(1.0)
