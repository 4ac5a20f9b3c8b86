"""What is measured beside the loss, from the same inputs: nothing here is differentiated.

T sampled tokens.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cohort.objective.surrogates import ratio


@torch.no_grad()
def clipped_low(
    logprobs: Float[Tensor, "T"],
    old: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    *,
    clip_low: float,
) -> Bool[Tensor, "T"]:
    """Tokens of negative advantage whose ratio fell below 1 - clip_low: they have no gradient."""
    return (ratio(logprobs, old) < 1.0 - clip_low) & (advantages < 0)


@torch.no_grad()
def clipped_high(
    logprobs: Float[Tensor, "T"],
    old: Float[Tensor, "T"],
    advantages: Float[Tensor, "T"],
    *,
    clip_high: float,
) -> Bool[Tensor, "T"]:
    """Tokens of positive advantage whose ratio rose above 1 + clip_high: they have no gradient."""
    return (ratio(logprobs, old) > 1.0 + clip_high) & (advantages > 0)
