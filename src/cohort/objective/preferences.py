"""Learning from pairs: direct preference optimisation.

A log-probability here is that of a whole answer: the sum over its tokens. DeepSeekMath writes DPO
with means over the tokens (eq. 12); pass means for that. Nothing flows into the reference.

    P pairs of answers to the same problem.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def dpo_margin(
    chosen: Float[Tensor, "P"],
    rejected: Float[Tensor, "P"],
    reference_chosen: Float[Tensor, "P"],
    reference_rejected: Float[Tensor, "P"],
    *,
    beta: float,
) -> Float[Tensor, "P"]:
    """How much more the chosen answer has gained than the rejected one.

    m = beta (log(pi(o+) / pi_ref(o+)) - log(pi(o-) / pi_ref(o-)))
    """
    gain = chosen - reference_chosen.detach()
    return beta * (gain - (rejected - reference_rejected.detach()))


def dpo_loss(margin: Float[Tensor, "P"]) -> Float[Tensor, "P"]:
    """The loss of each pair, L = -log sigmoid(m). DPO (arXiv:2305.18290), eq. 7."""
    return -torch.nn.functional.logsigmoid(margin)


def dpo_coefficient(margin: Float[Tensor, "P"]) -> Float[Tensor, "P"]:
    """How strongly a pair is still learned, GC = sigmoid(-m); detached.

    DeepSeekMath (arXiv:2402.03300), eq. 14. The gradient of the loss is
    -beta GC (grad log pi(o+) - grad log pi(o-)).
    """
    return torch.sigmoid(-margin.detach())
