"""Which token gets which advantage, and which weight: what an algorithm chooses from.

Traits: `alone` a rollout needs no other of its group; `per token` the result is by token; `greedy`
the greedy answer's reward is needed; `each reward` the functions' values are, one by one; `steps`
the rewards of steps are; `turns` the turns of episodes are; `scale free` rewards that are multiplied
give the same; `values` those of a critic are needed, and what it is to learn comes out beside the
advantages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cohort.objective import (
    advantages,
    baselines,
    pass_at_k,
    process,
    step_advantages,
    turns,
    weights,
)
from cohort.objective.choices import Choice
from cohort.objective.choices_with_critic import WITH_CRITIC
from cohort.objective.returns import whitened
from cohort.objective.segments import suffix_sums
from cohort.objective.with_critic import token_rewards


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A step's N rollouts that count, and their T sampled tokens, before anything is learned.

    rewards, group, lengths: [N]. rollout: [T], from 0 to N - 1, in order.
    greedy: the reward of the greedy answer to the rollout's problem.
    parts, part_weights: [N, K] and [K], the value and weight of each reward function.
    penalty: [T], what a token pays for its divergence from the reference.
    step_rewards, step_group, step_end: [S], the rewards of steps, the group and the last token of each.
    turn: [T], which of its rollout's turns a token is of, from 0; None: each rollout is one turn.
    values: [T], what a critic says is still to come before each token. bootstrap: [N], what it says
    comes after a rollout that was cut, 0 after one that ended.
    """

    rewards: Float[Tensor, "N"]
    group: Int[Tensor, "N"]
    lengths: Int[Tensor, "N"]
    rollout: Int[Tensor, "T"]
    greedy: Float[Tensor, "N"] | None = None
    parts: Float[Tensor, "N K"] | None = None
    part_weights: Float[Tensor, "K"] | None = None
    penalty: Float[Tensor, "T"] | None = None
    step_rewards: Float[Tensor, "S"] | None = None
    step_group: Int[Tensor, "S"] | None = None
    step_end: Int[Tensor, "S"] | None = None
    turn: Int[Tensor, "T"] | None = None
    values: Float[Tensor, "T"] | None = None
    bootstrap: Float[Tensor, "N"] | None = None


def itself(rewards: Float[Tensor, "N"]) -> Float[Tensor, "N"]:
    """The reward as the advantage, A = r: REINFORCE (Williams 1992), without a baseline."""
    return rewards


def right(rewards: Float[Tensor, "N"], *, right_above: float) -> Float[Tensor, "N"]:
    """1 for a right answer, 0 for another: DeepSeekMath (arXiv:2402.03300), eq. 10, as a number."""
    return (rewards > right_above).to(rewards.dtype)


def whitened_returns(
    rewards: Float[Tensor, "N"],
    rollout: Int[Tensor, "T"],
    *,
    penalty: Float[Tensor, "T"] | None,
    epsilon: float,
) -> Float[Tensor, "T"]:
    """The reward still to come, whitened over all tokens of the step.

        G_t = r - sum_{k >= t} penalty_k,   A = (G - mean(G)) / sqrt(var(G) + epsilon)

    REINFORCE++ (arXiv:2501.03262): penalty_k = beta k1, discount 1, the sample variance.
    """
    each = token_rewards(rewards, rollout, penalty=penalty)
    return whitened(suffix_sums(each, rollout), correction=1, epsilon=epsilon)


def _of_group(equation: str, function: Callable[..., Tensor], **more: Any) -> Choice:
    return Choice(equation, function, ("rewards", "group"), **more)


_SPREAD = {"correction": "deviation", "epsilon": "epsilon"}
_BY_TURN = {"turn": "turn", "end": "step_end"}

ADVANTAGES: dict[str, Choice] = {
    "group-deviation": _of_group(
        "A = (r - mean_group(r)) / (std_group(r) + epsilon)",
        advantages.group_normalized,
        reads=_SPREAD,
        traits=frozenset({"scale free"}),
    ),
    "group-mean": _of_group("A = r - mean_group(r)", advantages.group_centred),
    "leave-one-out": _of_group(
        "A_i = r_i - mean of the group's other rewards", baselines.leave_one_out
    ),
    "leave-one-out-deviation": _of_group(
        "A_i = (r_i - mean of the others) / (std of the others + epsilon)",
        baselines.leave_one_out_normalized,
        reads={"epsilon": "epsilon"},
        traits=frozenset({"scale free"}),
    ),
    "reward": Choice("A = r", itself, ("rewards",), traits=frozenset({"alone"})),
    "right": Choice(
        "A = 1 if r > right_above, else 0",
        right,
        ("rewards",),
        reads={"right_above": "right_above"},
        traits=frozenset({"alone"}),
    ),
    "greedy": Choice(
        "A = r - r(greedy answer)",
        baselines.remax,
        ("rewards",),
        named={"greedy": "greedy"},
        traits=frozenset({"alone", "greedy"}),
    ),
    "length-weighted": _of_group(
        "A_i = r_i - sum_j |o_j| r_j / sum_j |o_j|", baselines.opo, named={"lengths": "lengths"}
    ),
    "signal-scaled": _of_group(
        "A = B / (B - M) (r - mean_group(r)),  M of B rollouts in flat groups", baselines.gpg
    ),
    "over-mean": _of_group(
        "A = (r - mean_group(r)) / (mean_group(r) + epsilon)",
        baselines.maxrl,
        reads={"epsilon": "epsilon"},
        traits=frozenset({"scale free"}),
    ),
    "reward-deviation": _of_group(
        "A = (r - mean_group(r)) / (std_step(r) + epsilon)",
        step_advantages.lite_ppo,
        reads=_SPREAD,
        traits=frozenset({"scale free"}),
    ),
    "advantage-deviation": _of_group(
        "A = d / (std_step(d) + epsilon),  d = r - mean_group(r)",
        step_advantages.scalerl,
        reads=_SPREAD | {"count_flat": "count_flat"},
        traits=frozenset({"scale free"}),
    ),
    "whitened-mean": _of_group(
        "A = (d - mean_tokens(d)) / sqrt(var_tokens(d) + epsilon),  d = r - mean_group(r)",
        step_advantages.reinforce_plus_plus_baseline,
        named={"lengths": "lengths"},
        reads=_SPREAD,
        traits=frozenset({"scale free"}),
    ),
    "whitened-returns": Choice(
        "A_t = (G_t - mean(G)) / sqrt(var(G) + epsilon),  G_t = r - beta sum_{k>=t} k1_k",
        whitened_returns,
        ("rewards", "rollout"),
        named={"penalty": "penalty"},
        reads={"epsilon": "epsilon"},
        traits=frozenset({"alone", "per token"}),
    ),
    "each-reward": Choice(
        "A = z_step(sum_k w_k z_group(r_k)),  z(x) = (x - mean) / (std + epsilon)",
        step_advantages.gdpo,
        ("parts", "group"),
        named={"weights": "part_weights"},
        reads=_SPREAD,
        traits=frozenset({"each reward", "scale free"}),
    ),
    "beta-density": _of_group(
        "A = (r - p) / Beta(p; alpha, beta),  p = mean_group(r)",
        step_advantages.bnpo,
        reads={"largest": "density_largest"},
    ),
    "best-only": _of_group("A = r_max - r_2nd for the best, 0 for the others", pass_at_k.best_only),
    "pass-at-k": _of_group(
        "A = (pass@k of the rollout's subsets - mean) / (std + epsilon)",
        pass_at_k.pass_at_k_training,
        reads={"k": "k", "right_above": "right_above", "epsilon": "epsilon"},
    ),
    "best-of-k": _of_group(
        "A_i = mean over subsets of size k with i of their best reward, less a baseline",
        pass_at_k.pkpo,
        reads={"k": "k", "baseline": "pkpo_baseline"},
    ),
    "process": Choice(
        "A_t = sum of z_j over steps j that end at t or later,  z over all steps of the group",
        process.process_normalized,
        ("step_rewards", "step_group"),
        named={"end": "step_end", "rollout": "rollout"},
        reads=_SPREAD,
        traits=frozenset({"per token", "steps", "scale free"}),
    ),
    "process-mean": Choice(
        "A_t = sum over steps j that end at t or later of r_j - mean over all steps of the group",
        process.process_centred,
        ("step_rewards", "step_group"),
        named={"end": "step_end", "rollout": "rollout"},
        traits=frozenset({"per token", "steps"}),
    ),
    "turn-returns": Choice(
        "A_t = G_k = sum_{l >= k} turn_gamma^(l - k) r_l,  k the turn of token t",
        turns.turn_returns,
        ("step_rewards", "rollout"),
        named=_BY_TURN,
        reads={"turn_gamma": "turn_gamma"},
        traits=frozenset({"alone", "per token", "steps", "turns"}),
    ),
    "turn-leave-one-out": Choice(
        "A_t = G_k - mean of the others' G_k,  G_k = sum_{l >= k} turn_gamma^(l - k) r_l",
        turns.turn_leave_one_out,
        ("step_rewards", "rollout"),
        named={"group": "group"} | _BY_TURN,
        reads={"turn_gamma": "turn_gamma"},
        traits=frozenset({"per token", "steps", "turns"}),
    ),
    **WITH_CRITIC,
}
"""What a token's advantage is, by name."""

_COUNTED = ("lengths", "group")

WEIGHTS: dict[str, Choice] = {
    "rollout": Choice(
        "w = 1 / (n G |o|): tokens averaged by rollout, rollouts by group",
        weights.per_rollout,
        _COUNTED,
    ),
    "token": Choice("w = 1 / sum |o|: all tokens alike", weights.per_token, _COUNTED),
    "rollout-sum": Choice(
        "w = 1 / (n G): tokens summed by rollout", weights.per_rollout_sum, _COUNTED
    ),
    "budget": Choice(
        "w = 1 / (n G L), L = max_new_tokens",
        weights.constant_budget,
        _COUNTED,
        named={"budget_tokens": "budget_tokens"},
    ),
    "prompt": Choice(
        "w = 1 / (n sum over the group of |o|): tokens averaged by group",
        weights.per_prompt,
        _COUNTED,
    ),
}
"""How much a token counts, by name."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The rollouts that one update counts: lengths and group [N], and the most tokens of an answer."""

    lengths: Int[Tensor, "N"]
    group: Int[Tensor, "N"]
    budget_tokens: int


def less_penalty(scored: Scored) -> Float[Tensor, "N"]:
    """The rewards less what their tokens pay: RLOO's R = r - beta log(pi / pi_ref) of the rollout."""
    if scored.penalty is None:
        return scored.rewards
    places = torch.zeros_like(scored.rewards)
    return scored.rewards - places.index_add(0, scored.rollout, scored.penalty)
