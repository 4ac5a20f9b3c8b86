"""Hybrid GRPO where it must be something known: the TD error, GRPO, a Monte-Carlo mean; and its variance.

The first three are equalities on random steps, through the table of choices as a run goes through it.
The last is a grid of 4 x 4 whose values are solved for: over many groups of N moves from one state, the
shared credit has mean 0 and a variance that falls as 1 / N, and what the group's own mean leaves of an
advantage is (N - 1) / N of it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from cohort.objective import hybrid
from cohort.objective.algorithms import Algorithm
from cohort.objective.choices_of_credit import Scored
from cohort.objective.grpo import CENTRED
from proofs.command import main

STEPS, SHORT_STEPS = 500, 50
GROUPS, SHORT_GROUPS = 40_000, 4_000
SIDE, REACH = 4, 4.5
"""The grid's side; standard errors that a mean of many groups may be off."""


def prove(short: bool, seed: int) -> dict[str, object]:
    """Each identity on many random steps, and the statistics of the grid."""
    failures: list[str] = []
    counts: dict[str, int] = {}
    for name, holds in IDENTITIES.items():
        for number in range(SHORT_STEPS if short else STEPS):
            counts[name] = counts.get(name, 0) + 1
            draw = torch.Generator().manual_seed(1000 * seed + number)
            if not holds(draw):
                failures.append(f"{name}: step {number}")
    found, statistics = _grid(SHORT_GROUPS if short else GROUPS, seed)
    failures += [text for text, held in found if not held]
    asked = sum(counts.values()) + len(found)
    return {
        "name": "identities of the hybrid",
        "asked": asked,
        "held": asked - len(failures),
        "N times the variance, over that of the TD error": statistics,
        "failures": failures[:10],
    }


def _algorithm(advantage: str, gamma: float) -> Algorithm:
    return CENTRED.but(advantage=advantage, gamma=gamma, squash=0.0)


def _step(draw: torch.Generator, *, longest: int, groups: int, size: int) -> Scored:
    """Random groups; the answers that were cut are a random half, and the prompt has one value."""
    count = groups * size
    group = torch.arange(groups).repeat_interleave(size)
    lengths = torch.randint(1, longest + 1, (count,), generator=draw)
    rollout = torch.arange(count).repeat_interleave(lengths)
    values = _normal(draw, len(rollout))
    first = lengths.cumsum(0) - lengths
    values[first] = _normal(draw, groups)[group]
    cut = torch.rand(count, generator=draw) < 0.5
    return Scored(
        rewards=_normal(draw, count),
        group=group,
        lengths=lengths,
        rollout=rollout,
        values=values,
        bootstrap=torch.where(cut, _normal(draw, count), 0.0),
    )


def _td_error(draw: torch.Generator) -> bool:
    """One answer a prompt, of one token: A = r + gamma V(s') - V(s), credit shared or not."""
    step = _step(draw, longest=1, groups=4, size=1)
    assert step.values is not None
    assert step.bootstrap is not None
    return all(
        torch.allclose(
            _algorithm(advantage, gamma).advantages(step),
            step.rewards + gamma * step.bootstrap - step.values,
            rtol=1e-13,
            atol=1e-13,
        )
        for advantage in ("hybrid", "hybrid-shared")
        for gamma in (1.0, 0.9)
    )


def _grpo(draw: torch.Generator) -> bool:
    """Without values, by sample, less the group's mean: r - mean(r), to the bit."""
    step = _step(draw, longest=5, groups=3, size=4)
    silent = _without_values(step)
    found = _algorithm("hybrid-centred", 1.0).advantages(silent)
    return torch.equal(found, CENTRED.advantages(step))


def _core_of_one_step(draw: torch.Generator) -> bool:
    """Answers of one token: the sub-sampled form with n = 1 is the core, mean of f + gamma V - V."""
    step = _step(draw, longest=1, groups=3, size=4)
    assert step.values is not None
    assert step.bootstrap is not None
    core = hybrid.shared_credit(
        hybrid.bootstrapped(step.rewards[:, None], step.bootstrap, gamma=0.9),
        step.values,
        step.group,
    )
    found = _algorithm("hybrid-shared", 0.9).advantages(step)
    return torch.allclose(found, core, rtol=1e-13, atol=1e-13)


def _monte_carlo(draw: torch.Generator) -> bool:
    """To the end and without values: the group's mean discounted return."""
    step = _without_values(_step(draw, longest=6, groups=3, size=4))
    powers = 0.9 ** (step.lengths - 1).double()
    returns = (step.rewards * powers).view(3, 4).mean(1).repeat_interleave(4)
    found = _algorithm("hybrid-shared", 0.9).advantages(step)
    return torch.allclose(found, returns[step.rollout], rtol=1e-13, atol=1e-13)


IDENTITIES: dict[str, Callable[[torch.Generator], bool]] = {
    "one sample is the TD error": _td_error,
    "without values it is GRPO": _grpo,
    "one step is the core": _core_of_one_step,
    "the horizon is Monte Carlo": _monte_carlo,
}


def _grid(groups: int, seed: int) -> tuple[list[tuple[str, bool]], dict[str, float]]:
    """Of groups of N moves from one state: whether means and variances are what they must be."""
    rewards, following, values = _solved(gamma=0.9)
    state = SIDE + 2
    advantage = rewards[state] + 0.9 * values[following[state]] - values[state]
    spread = float(advantage.square().mean())
    found, shown = [], {}
    draw = torch.Generator().manual_seed(seed)
    for size in (1, 2, 4, 8, 16):
        moves = torch.randint(4, (groups * size,), generator=draw)
        step = _moves(moves, size, rewards[state], values[following[state]], values[state])
        shared = _algorithm("hybrid-shared", 0.9).advantages(step).view(groups, size)[:, 0]
        error = math.sqrt(spread / size / groups)
        ratio = size * float(shared.square().mean()) / spread
        shown[str(size)] = round(ratio, 3)
        fourth = float((shared.square() - shared.square().mean()).square().mean())
        off = REACH * size / spread * math.sqrt(fourth / groups)
        found += [
            (
                f"N = {size}: mean {float(shared.mean()):.2e}",
                abs(float(shared.mean())) < REACH * error,
            ),
            (f"N = {size}: N times the variance is {ratio:.3f}", abs(ratio - 1.0) < off + 1e-12),
        ]
        if size > 1:
            own = _algorithm("hybrid-centred", 0.9).advantages(step)
            each = torch.stack([own[moves == move].mean() for move in range(4)])
            wanted = (size - 1) / size * advantage
            slack = REACH * float(own.std()) / math.sqrt(groups * size / 4)
            near = bool(((each - wanted).abs() < slack).all())
            found.append((f"N = {size}: the group's mean leaves {each.tolist()}", near))
    return found, shown


def _moves(moves: Tensor, size: int, rewards: Tensor, after: Tensor, value: Tensor) -> Scored:
    """Groups of one-token answers, the moves; each is cut after it, where the next state's value is known."""
    count = len(moves)
    return Scored(
        rewards=rewards[moves],
        group=torch.arange(count // size).repeat_interleave(size),
        lengths=torch.ones(count, dtype=torch.long),
        rollout=torch.arange(count),
        values=value.expand(count),
        bootstrap=after[moves],
    )


def _solved(gamma: float) -> tuple[Tensor, Tensor, Tensor]:
    """Rewards and next states of each move from each cell, and the values of moving at random.

    A move costs 1, one off the grid stays; the last cell ends and is worth 0.
    """
    cells, goal = SIDE * SIDE, SIDE * SIDE - 1
    following = torch.zeros(cells, 4, dtype=torch.long)
    for cell in range(cells):
        row, column = divmod(cell, SIDE)
        for move, (down, right) in enumerate(((1, 0), (-1, 0), (0, 1), (0, -1))):
            there = min(max(row + down, 0), SIDE - 1), min(max(column + right, 0), SIDE - 1)
            following[cell, move] = goal if cell == goal else there[0] * SIDE + there[1]
    rewards = torch.full((cells, 4), -1.0, dtype=torch.float64)
    rewards[goal] = 0.0
    chance = torch.zeros(cells, cells, dtype=torch.float64)
    chance.scatter_add_(1, following, torch.full((cells, 4), 0.25, dtype=torch.float64))
    chance[goal] = 0.0
    eye = torch.eye(cells, dtype=torch.float64)
    values = torch.linalg.solve(eye - gamma * chance, rewards.mean(1))
    return rewards, following, values


def _without_values(step: Scored) -> Scored:
    nothing = torch.zeros(len(step.rollout), dtype=torch.float64)
    return Scored(
        rewards=step.rewards,
        group=step.group,
        lengths=step.lengths,
        rollout=step.rollout,
        values=nothing,
        bootstrap=torch.zeros_like(step.rewards),
    )


def _normal(draw: torch.Generator, count: int) -> Tensor:
    return torch.randn(count, generator=draw, dtype=torch.float64)


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
