"""The step that a trust region allows: what clipping stands in for.

P parameters.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def natural_step(
    gradient: Float[Tensor, "P"], fisher: Float[Tensor, "P P"], *, largest_kl: float
) -> tuple[Float[Tensor, "P"], Float[Tensor, "P"]]:
    """The natural direction, and the step along it at which the quadratic KL is as large as allowed.

        x = F^-1 g,   step = sqrt(2 delta / (g^T x)) x,   so 1/2 step^T F step = delta

    TRPO (arXiv:1502.05477), appendix C, without its line search; F is positive definite. Exact,
    for small P: the reference for what a clipped step does, no optimizer. No gradient: no step.
    """
    direction = torch.linalg.solve(fisher, gradient)
    slope = torch.dot(gradient, direction)
    scale = (2.0 * largest_kl / slope.masked_fill(slope <= 0.0, torch.inf)).sqrt()
    return direction, scale * direction
