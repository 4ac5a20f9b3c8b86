"""What an answer is worth against its own group: one advantage per scored rollout.

Every function takes the rewards of all scored rollouts of a step, flat, and the group each of them
belongs to. A rollout without a score is not passed in: it enters no mean, deviation or count. Here
are the two that most methods are made of; other baselines are in `baselines`, deviations of the
whole step in `step_advantages`, those of pass@k in `pass_at_k`.

    N rollouts of the step.
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from cohort.objective import segments
from cohort.objective.groups import is_flat


def group_normalized(
    rewards: Float[Tensor, "N"],
    group: Int[Tensor, "N"],
    *,
    correction: int,
    epsilon: float,
) -> Float[Tensor, "N"]:
    """The reward less its group's mean, over its group's standard deviation.

        A_i = (r_i - mean(r)) / (std(r) + epsilon)

    DeepSeekMath (arXiv:2402.03300) section 4.1.2, where neither the kind of deviation nor an epsilon
    is given: `correction` is 0 for the deviation of the group itself, 1 for the sample estimate.
    Equal rewards, also equal up to rounding, and a group of one give exactly 0.
    """
    centred = group_centred(rewards, group)
    deviation = deviation_of_groups(centred, group, correction=correction)
    return (centred / (deviation + epsilon)).masked_fill(centred == 0.0, 0.0)


def group_centred(rewards: Float[Tensor, "N"], group: Int[Tensor, "N"]) -> Float[Tensor, "N"]:
    """The reward less its group's mean, A_i = r_i - mean(r): Dr. GRPO (arXiv:2503.20783), eq. 2.

    Also DeepSeek-V3.2's (arXiv:2512.02556, section 3.1) and Kimi's (arXiv:2501.12599, eq. 3). Its
    expected gradient is (G - 1)/G of the true one. Exactly 0 where a group's rewards are equal,
    also up to rounding.
    """
    centred = rewards - segments.means(rewards, group)
    return centred.masked_fill(is_flat(rewards, group), 0.0)


def deviation_of_groups(
    centred: Float[Tensor, "N"], group: Int[Tensor, "N"], *, correction: int
) -> Float[Tensor, "N"]:
    """sqrt(sum(x^2) / (G - correction)) of the rollout's group, for values whose mean there is 0."""
    freedom = (segments.lengths(group) - correction).clamp(min=1)
    return (segments.sums(centred.square(), group) / freedom).sqrt()
