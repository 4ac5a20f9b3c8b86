"""What a reward model is trained on: answers that are compared, answers with a score, steps with a label.

A value is what the model says of an answer, or of a step; it has no scale of its own where it is
only compared. Scores say which answer is better, never by how much, unless they are targets. Equal
scores are not compared, also where they are equal up to rounding. Gradients flow through the values.

    N answers of all groups, P pairs of two answers of the same group, C choices.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from cohort.objective.groups import FLAT
from cohort.objective.segments import lengths


def better_than(scores: Float[Tensor, "N"], group: Int[Tensor, "N"]) -> Bool[Tensor, "N N"]:
    """Whether the answer of a row is better than that of a column: of its group, with a higher score.

    s_i - s_j > share * max(|s_i|, |s_j|), the share as in `groups.is_flat`.
    """
    share = max(FLAT, 4.0 * torch.finfo(scores.dtype).eps)
    size = torch.maximum(scores[:, None].abs(), scores[None, :].abs())
    above = scores[:, None] - scores[None, :] > share * size
    return above & (group[:, None] == group[None, :])


def bradley_terry(
    better: Float[Tensor, "P"], worse: Float[Tensor, "P"], *, margin: Float[Tensor, "P"]
) -> Float[Tensor, "P"]:
    """The loss of each pair, L = -log sigmoid(r+ - r- - m).

    InstructGPT (arXiv:2203.02155), eq. 1, at m = 0; the margin is that of Llama 2
    (arXiv:2307.09288), eq. 2.
    """
    return -logsigmoid(better - worse - margin)


def off_centre(better: Float[Tensor, "P"], worse: Float[Tensor, "P"]) -> Float[Tensor, "P"]:
    """How far the values of each pair are from lying around 0, L = (r+ + r-)^2.

    Eisenstein et al. 2023 (arXiv:2312.09244), section 2: comparisons leave the mean of the values
    open, and this settles it. It is TRL's `center_rewards_coefficient` that it is multiplied with.
    """
    return (better + worse).square()


def once_a_group(group: Int[Tensor, "P"]) -> Float[Tensor, "P"]:
    """The weight of each item that lets its group count once, 1 / (the group's number of items).

    InstructGPT, eq. 1: all K answers are compared, and each pair weighs 1 / (K choose 2).
    """
    return 1.0 / lengths(group)


def plackett_luce(
    values: Float[Tensor, "N"], better: Bool[Tensor, "N N"]
) -> tuple[Float[Tensor, "C"], Int[Tensor, "C"]]:
    """The loss of each choice that a ranking consists of, and the answer that was chosen.

        L_i = -log( e^r_i / (e^r_i + sum over the answers j that i is better than of e^r_j) )

    The likelihood of a ranking (Plackett 1975; Luce 1959) is a product of choices: the best of all,
    then the best of the rest... An answer that is better than none is no choice. Equal answers are
    each chosen from themselves and what is below both. With two answers it is `bradley_terry`.
    """
    chosen = better.any(1).nonzero()[:, 0]
    own = torch.eye(len(values), dtype=torch.bool, device=values.device)
    among = (better | own)[chosen]
    rest = values[None, :].expand(len(chosen), -1).masked_fill(~among, -torch.inf)
    return torch.logsumexp(rest, 1) - values[chosen], chosen


def cross_entropy(values: Float[Tensor, "N"], labels: Float[Tensor, "N"]) -> Float[Tensor, "N"]:
    """L = -y log sigmoid(r) - (1 - y) log(1 - sigmoid(r)), y in [0, 1].

    Of answers that are right or wrong, Cobbe et al. 2021 (arXiv:2110.14168); of steps, Lightman et
    al. 2023 (arXiv:2305.20050) and Math-Shepherd (arXiv:2312.08935), eq. 2, where y may be a share.
    """
    return binary_cross_entropy_with_logits(values, labels, reduction="none")
