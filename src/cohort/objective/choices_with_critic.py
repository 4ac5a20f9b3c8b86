"""Which token gets which advantage where a critic has a part in it: entries of `choices_of_credit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cohort.objective import with_critic
from cohort.objective.choices import Choice

_TOKENS, _GROUPS = ("rewards", "rollout"), ("rewards", "group")


def _judged(
    equation: str,
    function: Callable[..., with_critic.Judged],
    reads: Mapping[str, str],
    given: tuple[str, ...] = _TOKENS,
    *,
    alone: bool = True,
) -> Choice:
    further = ("rollout",) if "rollout" not in given else ()
    named = {name: name for name in ("values", "bootstrap", "penalty", *further)}
    traits = {"per token", "values"} | ({"alone"} if alone else set())
    return Choice(equation, function, given, named, reads, traits=frozenset(traits))


_LAMBDA = {"gamma": "gamma", "lam": "gae_lambda"}
_HYBRID = {"gamma": "gamma", "squash": "squash"}

WITH_CRITIC: dict[str, Choice] = {
    "gae": _judged(
        "A_t = sum_l (gamma gae_lambda)^l d_{t+l},  d_t = r_t + gamma V_{t+1} - V_t",
        with_critic.gae,
        _LAMBDA,
    ),
    "whitened-gae": _judged(
        "A' = (A - mean(A)) / sqrt(var(A) + epsilon),  A_t = sum_l (gamma gae_lambda)^l d_{t+l}",
        with_critic.whitened_gae,
        _LAMBDA | {"epsilon": "epsilon"},
    ),
    "length-adaptive-gae": _judged(
        "as whitened-gae with lambda = 1 - 1 / (length_alpha |o|), and 1 for the critic",
        with_critic.length_adaptive_gae,
        {"alpha": "length_alpha", "epsilon": "epsilon"},
    ),
    "n-step": _judged(
        "A_t = sum_{k < n_steps} gamma^k r_{t+k} + gamma^n_steps V_{t+n_steps} - V_t",
        with_critic.n_step,
        {"n": "n_steps", "gamma": "gamma"},
    ),
    "hybrid": _judged(
        "A_i = y_i - V(prompt),  y_i = sum_k gamma^k r_ik + gamma^|o_i| V(after a cut)",
        with_critic.hybrid_per_sample,
        _HYBRID,
    ),
    "hybrid-centred": _judged(
        "A_i = y_i - mean_group(y),  y_i = sum_k gamma^k r_ik + gamma^|o_i| V(after a cut)",
        with_critic.hybrid_centred,
        _HYBRID,
        _GROUPS,
        alone=False,
    ),
    "hybrid-shared": _judged(
        "A = mean_group(y) - V(prompt),  y_i = sum_k gamma^k r_ik + gamma^|o_i| V(after a cut)",
        with_critic.hybrid_shared,
        _HYBRID,
        _GROUPS,
    ),
}
"""Each gives, beside the advantages, what the critic is to learn; traits as in `choices_of_credit`."""
