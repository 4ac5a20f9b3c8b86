"""A step in which every choice and every number of an algorithm makes a difference."""

from __future__ import annotations

import torch
from torch import Tensor

from cohort.objective.algorithms import Algorithm
from cohort.objective.choices_of_credit import Counted, Scored
from cohort.objective.choices_of_loss import Tokens
from cohort.objective.loss import policy_loss
from tests.numbers import F64, I64

LENGTHS = I64([3, 2, 4, 1, 3, 2, 3, 2, 2, 1, 3, 2, 4])
GROUP = I64([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2])
REWARDS = F64([1.0, 0.2, 0.0, 0.3, 0.1, 1.0, 0.0, 0.4, 0.3, 0.1, 0.6, 0.6, 0.6])
BUDGET = 9


def scored(rewards: Tensor = REWARDS, **more: Tensor) -> Scored:
    """The step's rollouts with everything that an advantage may ask for; its last group is flat."""
    ends = LENGTHS.cumsum(0) - 1
    rollout = torch.arange(len(LENGTHS)).repeat_interleave(LENGTHS)
    given = {
        "greedy": F64([0.3, 0.5, 0.6])[GROUP],
        "parts": torch.stack([rewards, rewards.square() - 0.2], dim=1),
        "part_weights": F64([1.0, 0.5]),
        "step_rewards": torch.cat([rewards, 1.0 - rewards]),
        "step_group": torch.cat([GROUP, GROUP]),
        "step_end": torch.cat([ends, ends - LENGTHS + 1]),
        "turn": (torch.arange(len(rollout)) > (ends - LENGTHS + 1)[rollout]).long(),
        "values": torch.linspace(-0.4, 0.9, len(rollout), dtype=torch.float64).square(),
        "bootstrap": F64([0.0, 0.7, 0.0, 0.0, 0.4, 0.0, 0.0, 0.9, 0.0, 0.0, 0.0, 0.2, 0.0]),
    }
    return Scored(rewards=rewards, group=GROUP, lengths=LENGTHS, rollout=rollout, **(given | more))


def counted() -> Counted:
    return Counted(lengths=LENGTHS, group=GROUP, budget_tokens=BUDGET)


def tokens(
    advantages: Tensor, weights: Tensor, now: Tensor, algorithm: Algorithm, seed: int = 0
) -> Tokens:
    """The step's tokens, with an old policy, a sampler and a reference that are all elsewhere."""
    draw = torch.Generator().manual_seed(seed)

    def near(spread: float) -> Tensor:
        noise = torch.randn(len(now), generator=draw, dtype=torch.float64)
        return (now.detach() + spread * noise).clamp(max=-1e-3)

    old, sampler, reference = near(1.2), near(1.2), near(0.6)
    return Tokens(
        logprobs=now,
        entropies=-(now * now.exp()),
        old=old,
        sampler=sampler,
        then=sampler if algorithm.chosen["behaviour"] == "sampler" else old,
        advantages=advantages,
        weights=weights,
        rollout=scored().rollout,
        reference=reference,
        chosen=torch.arange(len(now)) % 3 == 0,
    )


def loss(algorithm: Algorithm, rewards: Tensor = REWARDS) -> tuple[Tensor, Tensor]:
    """The algorithm's loss of the step, and its gradient by token."""
    given = scored(rewards)
    if algorithm.penalizes_reward:
        paid = torch.linspace(-0.5, 1.0, len(given.rollout), dtype=torch.float64)
        given = scored(rewards, penalty=algorithm.beta * paid)
    leaf = -torch.linspace(0.2, 2.5, len(given.rollout), dtype=torch.float64)
    leaf.requires_grad_()
    weights = algorithm.weights(counted())[given.rollout]
    total = policy_loss(algorithm, tokens(algorithm.advantages(given), weights, leaf, algorithm))
    total.backward()
    return total.detach(), leaf.grad
