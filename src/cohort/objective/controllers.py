"""Coefficients that follow what is measured: each a function of the state that gives the next one.

A controller is called once per step with the step's mean, after the update. Numbers in, number out.
"""

from __future__ import annotations

MOST_ERROR = 0.2
"""A relative error of the KL counts as no more than this, either way (Ziegler et al. 2019)."""


def kl_proportional(beta: float, kl: float, *, target: float, gain: float) -> float:
    """The coefficient grows or shrinks in proportion to the relative error of the KL.

        e = clip((KL - target) / target, -0.2, 0.2),   beta <- beta (1 + K e)

    Ziegler et al. 2019 (arXiv:1909.08593), section 2.2; its K is 0.1.
    """
    return beta * (1.0 + gain * _relative_error(kl, target))


def kl_over_horizon(beta: float, kl: float, *, target: float, rollouts: int, horizon: int) -> float:
    """As `kl_proportional`, with a gain for the rollouts of the step: K = rollouts / horizon.

    The adaptive controller of verl and of TRL's PPO. The result does not depend on how many steps a
    number of rollouts is divided into, to first order.
    """
    return kl_proportional(beta, kl, target=target, gain=rollouts / horizon)


def kl_doubling(beta: float, kl: float, *, target: float) -> float:
    """Halved below the target / 1.5, doubled above 1.5 times it, else kept.

    PPO (arXiv:1707.06347), section 4, where it did worse than clipping.
    """
    if kl < target / 1.5:
        return beta / 2.0
    return beta * 2.0 if kl > target * 1.5 else beta


def entropy_coefficient(
    coefficient: float, entropy: float, *, target: float, change: float, largest: float
) -> float:
    """One step up where the entropy is below its target, one down above; between 0 and the largest.

    Skywork-OR1 (arXiv:2505.22312): target 0.2 nats per token, change 1e-4, largest 0.005. At the target
    exactly it stays.
    """
    if entropy == target:
        return coefficient
    moved = coefficient + change if entropy < target else coefficient - change
    return min(max(moved, 0.0), largest)


def applied_entropy_coefficient(coefficient: float, entropy: float, *, target: float) -> float:
    """The coefficient of this step's entropy bonus: nothing while the entropy is above its target.

    Skywork-OR1 (arXiv:2505.22312).
    """
    return coefficient if entropy <= target else 0.0


def _relative_error(kl: float, target: float) -> float:
    assert target > 0.0, target
    return min(max((kl - target) / target, -MOST_ERROR), MOST_ERROR)
