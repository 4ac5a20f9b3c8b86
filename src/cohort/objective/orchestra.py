"""What an episode with tools is worth to somebody who said what matters: outcome, cost, time, tools.

ToolOrchestra (arXiv:2511.21689), section 3: a rollout is a row of what it did, every column is stretched
over the rollouts of its group, and a preference weighs the columns. The released program differs (it takes
the extremes of -cost and stretches +cost by them, so that dear is good); this is the paper's form.

    N rollouts of the step, K columns: the calls of each tool, the outcome, -cost, -latency.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cohort.objective.groups import group_extreme, is_flat


def stretched(matrix: Float[Tensor, "N K"], group: Int[Tensor, "N"]) -> Float[Tensor, "N K"]:
    """Every column from 0 to 1 inside the group.

        M~_k = (M_k - min_group M_k) / (max_group M_k - min_group M_k);   0 where max = min

    Costs that are sums in another order are equal up to rounding, and are taken for equal.
    """
    columns = [_stretched(column, group) for column in matrix.unbind(1)]
    return torch.stack(columns, dim=1) if columns else matrix


def _stretched(column: Float[Tensor, "N"], group: Int[Tensor, "N"]) -> Float[Tensor, "N"]:
    low = group_extreme(column, group, largest=False)
    span = group_extreme(column, group, largest=True) - low
    flat = is_flat(column, group)
    return ((column - low) / span.masked_fill(flat, 1.0)).masked_fill(flat, 0.0)


def preferred(
    matrix: Float[Tensor, "N K"],
    group: Int[Tensor, "N"],
    *,
    solved: Bool[Tensor, "N"],
    preference: Float[Tensor, "N K"],
) -> Float[Tensor, "N"]:
    """The reward of each rollout by what its problem's user prefers.

        R = M~ . P  where it is solved,  0 elsewhere

    A group that is solved by all has an outcome column of 0: what it did decides. Where a preference is for
    the outcome alone such a group has rewards of 0, and nothing to learn from.
    """
    worth = (stretched(matrix, group) * preference).sum(1)
    return worth.masked_fill(~solved, 0.0)


def adherence(
    asked: Float[Tensor, "N K"], unasked: Float[Tensor, "N K"], preference: Float[Tensor, "N K"]
) -> Float[Tensor, "N"]:
    """How far an answer follows a preference, beside the answer to the same problem without one.

        a_k = M_k / max(1, M0_k)  for the calls of tools and the outcome
        a_k = M0_k / max(1, M_k)  for cost and latency, the last two columns
        P . a  where it is solved,  0 elsewhere

    asked, unasked: what was done with and without the preference, [calls of each tool, outcome, cost,
    latency], costs and latencies as they are and not below 0. The paper sums it over the problems. It has
    -cost and -latency in these columns, with which the quotient would have no sense; the sign is ours.
    """
    more = asked / unasked.clamp(min=1.0)
    less = unasked / asked.clamp(min=1.0)
    is_spent = torch.arange(asked.shape[1], device=asked.device) >= asked.shape[1] - 2
    followed = (torch.where(is_spent, less, more) * preference).sum(1)
    return followed.masked_fill(asked[:, -3] <= 0.0, 0.0)
