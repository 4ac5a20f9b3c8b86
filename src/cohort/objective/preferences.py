"""Learning from pairs: direct preference optimisation, and other losses of the same margin.

A log-probability here is that of a whole answer: the sum over its tokens. DeepSeekMath writes DPO
with means over the tokens (eq. 12); pass means for that. Nothing flows into the reference.

    P pairs of answers to the same problem. T tokens, A answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


def answer_logprobs(
    logprobs: Float[Tensor, "T"], answer: Int[Tensor, "T"], *, answers: int, mean: bool = False
) -> Float[Tensor, "A"]:
    """The log-probability of each answer, log pi(o) = sum over t of log pi(o_t), or the mean over t.

    answer: whose each token is, from 0; each of the `answers` has at least one.
    """
    total = logprobs.new_zeros(answers).scatter_add(0, answer, logprobs)
    return total / torch.bincount(answer, minlength=answers) if mean else total


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


def smoothed_loss(
    margin: Float[Tensor, "P"], *, label_smoothing: float = 0.0
) -> Float[Tensor, "P"]:
    """The loss where a label is wrong with probability e: (1 - e) L(m) + e L(-m), L = -log sigmoid.

    Conservative DPO (Mitchell 2023, "A note on DPO with noisy preferences"). Its least is at the
    margin log((1 - e) / e), and not at infinity.
    """
    return (1.0 - label_smoothing) * dpo_loss(margin) + label_smoothing * dpo_loss(-margin)


def robust_loss(margin: Float[Tensor, "P"], *, label_smoothing: float = 0.0) -> Float[Tensor, "P"]:
    """An unbiased estimate of the loss without wrong labels, of pairs whose labels are wrong with
    probability e < 1/2.

        ((1 - e) L(m) - e L(-m)) / (1 - 2 e)

    Robust DPO (arXiv:2403.00409).
    """
    right = (1.0 - label_smoothing) * dpo_loss(margin) - label_smoothing * dpo_loss(-margin)
    return right / (1.0 - 2.0 * label_smoothing)


def ipo_loss(margin: Float[Tensor, "P"], *, beta: float) -> Float[Tensor, "P"]:
    """The squared distance of the gain from a fixed one: (m / beta - 1 / (2 beta))^2.

    IPO (arXiv:2310.12036), eq. 17, with beta for its tau. It stays bounded where one answer is
    always chosen.
    """
    return (margin / beta - 1.0 / (2.0 * beta)).square()


def hinge_loss(margin: Float[Tensor, "P"]) -> Float[Tensor, "P"]:
    """Nothing once the margin is 1: max(0, 1 - m). SLiC (arXiv:2305.10425), as RSO has it
    (arXiv:2309.06657)."""
    return torch.relu(1.0 - margin)


@dataclass(frozen=True, slots=True)
class PairLoss:
    """A loss of pairs: its equation, its function, and which options it reads beside the margin."""

    equation: str
    function: Callable[..., Tensor]
    reads: tuple[str, ...] = ()


PAIR_LOSSES: dict[str, PairLoss] = {
    "sigmoid": PairLoss("(1 - e) L(m) + e L(-m)", smoothed_loss, ("label_smoothing",)),
    "robust": PairLoss("((1 - e) L(m) - e L(-m)) / (1 - 2e)", robust_loss, ("label_smoothing",)),
    "ipo": PairLoss("(m / beta - 1 / (2 beta))^2", ipo_loss, ("beta",)),
    "hinge": PairLoss("max(0, 1 - m)", hinge_loss),
}
"""The losses of a stage `preference`, by the name that a recipe has for them."""
