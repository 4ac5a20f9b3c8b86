"""One view of six methods: they differ in where the data is from, and in one coefficient.

    grad J = E over (q, o) of D [ 1/|o| sum_t GC(q, o, t) grad log pi(o_t | q, o_<t) ]

DeepSeekMath (arXiv:2402.03300), section 5.2.1, eq. 5, and appendix, table 10. A coefficient is
detached; `policy_gradient(logprobs, coefficient)` has that gradient. Online methods take o from
the policy itself: the coefficients of PPO and GRPO are those of the first update, where the ratio
is 1 and nothing is clipped.

    T sampled tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cohort.objective.preferences import dpo_coefficient
from cohort.objective.surrogates import ratio


def sft(logprobs: Float[Tensor, "T"]) -> Float[Tensor, "T"]:
    """Imitation: GC = 1."""
    return torch.ones_like(logprobs)


def rft(correct: Bool[Tensor, "T"]) -> Float[Tensor, "T"]:
    """Rejection sampling, offline or online: GC = 1 if the answer is correct, else 0 (eq. 10).

    A wrong answer is not punished, and all correct ones count alike.
    """
    return correct.to(torch.get_default_dtype())


def ppo(advantages: Float[Tensor, "T"]) -> Float[Tensor, "T"]:
    """The critic's advantage: GC = A_t (eq. 18)."""
    return advantages.detach()


def grpo(
    advantages: Float[Tensor, "T"],
    logprobs: Float[Tensor, "T"],
    reference: Float[Tensor, "T"],
    *,
    beta: float,
) -> Float[Tensor, "T"]:
    """The group's advantage, and the gradient of k3: GC = A + beta (pi_ref / pi - 1) (eq. 21)."""
    return (advantages + beta * (ratio(reference, logprobs) - 1.0)).detach()


@dataclass(frozen=True, slots=True)
class Method:
    """A row of the table: what is learned from, what judges it, and with which coefficient."""

    name: str
    data: str
    reward: str
    coefficient: str
    function: Callable[..., Tensor]


METHODS: tuple[Method, ...] = (
    Method("SFT", "q, o ~ P_sft", "none", "1", sft),
    Method("RFT", "q ~ P_sft, o ~ pi_sft", "rule", "[o is correct]", rft),
    Method("DPO", "q ~ P_sft, o+, o- ~ pi_sft", "rule", "sigmoid(-margin)", dpo_coefficient),
    Method("Online RFT", "q ~ P_sft, o ~ pi", "rule", "[o is correct]", rft),
    Method("PPO", "q ~ P_sft, o ~ pi", "model", "A_t", ppo),
    Method("GRPO", "q ~ P_sft, {o_i} ~ pi", "model", "A_it + beta (pi_ref / pi - 1)", grpo),
)
"""The unified paradigm as a table."""
