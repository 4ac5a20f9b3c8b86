"""Credit by turn: what is still to come from each turn of an episode on, and what it is compared with.

A turn is one action of the policy; what it was shown after it belongs to the state of the next. Rewards
come as those of `process` do, each with its last token; that of a turn is the sum of those that end in it,
and the reward of the whole episode, where there is one, ends with its last token.

What is *not* here is the comparison of each turn's reward with those of the same turn of the group, summed
afterwards: sum_{l >= k} (r_l - mean over those that have a turn l). It is biased, because the policy decides
by its turn k whether there is a turn l at all: an episode that goes on is charged the mean of every turn
that follows, and one that stops is not. Where going on is always worth 1, going on has advantage 0.

    T sampled tokens of N rollouts, in order; S rewards; M turns of all rollouts together.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cohort.objective import segments
from cohort.objective.groups import FLAT


class _Turns(NamedTuple):
    """of_token: [T], the turn of each token, counted through. owner, place: [M], the rollout of each
    turn, and which of its turns it is. to_come: [M], the rewards from it on."""

    of_token: Int[Tensor, "T"]
    owner: Int[Tensor, "M"]
    place: Int[Tensor, "M"]
    to_come: Float[Tensor, "M"]


def turn_returns(
    rewards: Float[Tensor, "S"],
    rollout: Int[Tensor, "T"],
    *,
    turn: Int[Tensor, "T"] | None,
    end: Int[Tensor, "S"],
    turn_gamma: float,
) -> Float[Tensor, "T"]:
    """The rewards of a token's turn and of those after it, a turn later counting less.

        A_t = G_k,   G_k = sum_{l >= k} turn_gamma^(l - k) r_l,   k the turn of token t

    REINFORCE with rewards to go (Williams 1992; the policy gradient theorem): a turn cannot change what
    was rewarded before it, so leaving that out changes no expectation. Unbiased, without a baseline.
    `turn`: which of its rollout's turns each token is of, from 0; None: a rollout is one turn.
    """
    turns = _turns(rewards, rollout, turn, end, turn_gamma)
    return turns.to_come[turns.of_token]


def turn_leave_one_out(
    rewards: Float[Tensor, "S"],
    rollout: Int[Tensor, "T"],
    *,
    group: Int[Tensor, "N"],
    turn: Int[Tensor, "T"] | None,
    end: Int[Tensor, "S"],
    turn_gamma: float,
) -> Float[Tensor, "T"]:
    """What is to come from a turn on, less its mean over the others of the group that have such a turn.

        A_t = G_k^i - mean_{j != i, j has a turn k} G_k^j,   G_k as in `turn_returns`

    Where no other has a turn k, the mean of the last turn that another has. Unbiased, whatever the policy
    decides about stopping. With a_k the turn, h_k all before it and b the mean,

        E[grad log pi(a_k | h_k) b] = E[ E[b] sum_a grad pi(a | h_k) ] = 0,

    since b is made of the other rollouts alone, which are independent of this one, and of k, which is a
    part of h_k. Neither holds for a mean that has i's own return in it: it scales turn k by (n - 1) / n, n
    being how many have a turn k, so late turns count less than early ones and the direction is wrong.
    No paper. With one turn each it is RLOO (arXiv:2402.14740). A group of one has no others and gives
    0; what differs from its mean by rounding alone gives exactly 0. `turn` as in `turn_returns`.
    """
    turns = _turns(rewards, rollout, turn, end, turn_gamma)
    found = turns.to_come - _of_others(turns, group)
    same = found.abs() <= max(FLAT, 4 * torch.finfo(found.dtype).eps) * turns.to_come.abs()
    return found.masked_fill(same, 0.0)[turns.of_token]


def _turns(
    rewards: Float[Tensor, "S"],
    rollout: Int[Tensor, "T"],
    turn: Int[Tensor, "T"] | None,
    end: Int[Tensor, "S"],
    turn_gamma: float,
) -> _Turns:
    place = torch.zeros_like(rollout) if turn is None else turn
    both = torch.stack((rollout, place))
    (owner, own), of_token = torch.unique_consecutive(both, dim=1, return_inverse=True)
    given = rewards.new_zeros(len(owner)).index_add(0, of_token[end], rewards)
    return _Turns(of_token, owner, own, segments.suffix_sums(given, owner, discount=turn_gamma))


def _of_others(turns: _Turns, group: Int[Tensor, "N"]) -> Float[Tensor, "M"]:
    """For each turn the mean of what the others of the group had to come from the same turn on; of one
    that no other has, the mean at the last that another has; of a group of one its own."""
    team = group[turns.owner]
    cell = team * (1 + turns.place.max() if len(team) else 1) + turns.place
    total, count = segments.sums(turns.to_come, cell), segments.lengths(cell)
    mean = (total - turns.to_come) / (count - 1).clamp(min=1)
    # Whoever is alone at a turn is alone from there on.
    shared = segments.sums((count > 1).to(mean), turns.owner).long()
    back = (turns.place - (shared - 1).clamp(min=0)).clamp(min=0)
    known = torch.arange(len(mean), device=mean.device) - back
    return torch.where(shared > 0, mean[known], turns.to_come)
