"""Coefficients that follow what is measured: the algorithm of the next step, from that of this one.

An algorithm is a value, so the state of a controller is the algorithm itself.
"""

from __future__ import annotations

from cohort.objective import controllers
from cohort.objective.algorithms import Algorithm


def for_this_step(algorithm: Algorithm, *, entropy: float) -> Algorithm:
    """The algorithm with the entropy coefficient that is applied at this entropy, in nats per token.

    `entropy` is the step's own estimate before its first update, the mean of -log pi of what it
    sampled, which is unbiased.
    """
    if algorithm.chosen["entropy"] != "adaptive-bonus":
        return algorithm
    applied = controllers.applied_entropy_coefficient(
        float(algorithm.values["entropy_coefficient"]),
        entropy,
        target=float(algorithm.values["entropy_target"]),
    )
    return algorithm.but(entropy_coefficient=applied)


def for_the_next(
    algorithm: Algorithm, *, kl: float | None, entropy: float, rollouts: int
) -> Algorithm:
    """The algorithm of the next step, after one of this KL and entropy, in nats per token.

    kl: None where no token was trained on, and nothing was measured.
    """
    values = algorithm.values
    if algorithm.chosen["entropy"] == "adaptive-bonus":
        moved = controllers.entropy_coefficient(
            float(values["entropy_coefficient"]),
            entropy,
            target=float(values["entropy_target"]),
            change=float(values["entropy_change"]),
            largest=float(values["entropy_largest"]),
        )
        algorithm = algorithm.but(entropy_coefficient=moved)
    if kl is None or not algorithm.beta:
        return algorithm
    return algorithm.but(beta=_beta(algorithm, kl, rollouts))


def _beta(algorithm: Algorithm, kl: float, rollouts: int) -> float:
    beta, values = algorithm.beta, algorithm.values
    match algorithm.chosen["adaptive_beta"]:
        case "proportional":
            target, gain = float(values["kl_target"]), float(values["kl_gain"])
            return controllers.kl_proportional(beta, kl, target=target, gain=gain)
        case "horizon":
            return controllers.kl_over_horizon(
                beta,
                kl,
                target=float(values["kl_target"]),
                rollouts=rollouts,
                horizon=int(values["kl_horizon"]),
            )
        case "doubling":
            return controllers.kl_doubling(beta, kl, target=float(values["kl_target"]))
    return beta
