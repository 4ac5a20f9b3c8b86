"""What a critic is trained on: one loss per token. Gradients flow through `values` only.

T sampled tokens.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def squared_error(values: Float[Tensor, "T"], returns: Float[Tensor, "T"]) -> Float[Tensor, "T"]:
    """L = (V - R)^2 / 2; PPO (arXiv:1707.06347), eq. 9, has no factor and a coefficient c1."""
    return 0.5 * (values - returns.detach()).square()


def clipped_squared_error(
    values: Float[Tensor, "T"],
    old: Float[Tensor, "T"],
    returns: Float[Tensor, "T"],
    *,
    clip: float,
) -> Float[Tensor, "T"]:
    """The larger of two squared errors: of the value, and of it held near what it was.

        L = max((V - R)^2, (clip(V, V_old - c, V_old + c) - R)^2) / 2

    Practice (verl, TRL), not in the PPO paper. A value that moved by more than c, away from the
    return, has no gradient.
    """
    bounded = torch.minimum(torch.maximum(values, old.detach() - clip), old.detach() + clip)
    return torch.maximum(squared_error(values, returns), squared_error(bounded, returns))
