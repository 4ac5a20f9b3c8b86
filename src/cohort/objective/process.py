"""Process supervision: rewards of steps of an answer, and what they make of each token.

S steps of all rollouts that have a score, T sampled tokens.
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from cohort.objective import segments
from cohort.objective.advantages import group_centred, group_normalized


def process_normalized(
    rewards: Float[Tensor, "S"],
    group: Int[Tensor, "S"],
    *,
    end: Int[Tensor, "S"],
    rollout: Int[Tensor, "T"],
    correction: int,
    epsilon: float,
) -> Float[Tensor, "T"]:
    """The sum of the normalized rewards of the steps that end at a token or after it.

        z_j = (r_j - mean(R)) / (std(R) + epsilon)
        A_t = sum of z_j over the steps j of the rollout with end_j >= t

    DeepSeekMath (arXiv:2402.03300) section 4.1.3: R holds the rewards of all steps of all rollouts
    of the group together, so an answer of more steps can have larger advantages. `end` is the
    place, among the T, of a step's last token. Tokens after the last step, and rollouts without a
    step, get 0.
    """
    values = group_normalized(rewards, group, correction=correction, epsilon=epsilon)
    return steps_to_come(values, end=end, rollout=rollout)


def process_centred(
    rewards: Float[Tensor, "S"],
    group: Int[Tensor, "S"],
    *,
    end: Int[Tensor, "S"],
    rollout: Int[Tensor, "T"],
) -> Float[Tensor, "T"]:
    """As `process_normalized` without the deviation: Dr. GRPO's correction, for steps. No paper."""
    return steps_to_come(group_centred(rewards, group), end=end, rollout=rollout)


def steps_to_come(
    values: Float[Tensor, "S"], *, end: Int[Tensor, "S"], rollout: Int[Tensor, "T"]
) -> Float[Tensor, "T"]:
    """For each token the sum of the values of its rollout's steps that end there or later."""
    at_end = values.new_zeros(rollout.shape).index_add(0, end, values)
    return segments.suffix_sums(at_end, rollout)
