"""Every algorithm as a table of choices. Two papers differ by a `replace` of one line.

`algorithm = "grpo"` alone is the paper's; whatever a recipe changes stands in the recipe. What a
paper leaves open is said here, with what is chosen for it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace

from torch import Tensor

from cohort.errors import RecipeError
from cohort.objective import advantages, kl, surrogates, weights

WEIGHTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "rollout": weights.per_rollout,
    "token": weights.per_token,
}
KL: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"k3": kl.k3}
DEVIATIONS = {"population": 0, "sample": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """The choices that make an algorithm; the defaults are GRPO's (arXiv:2402.03300)."""

    name: str = "grpo"
    paper: str = "arXiv:2402.03300"
    advantage: str = "group-deviation"
    """`group-deviation`: less the group's mean, over its deviation. `group-mean`: less its mean."""
    deviation: str = "population"
    """`population` or `sample`. The paper does not say which."""
    epsilon: float = 1e-4
    """Added to the deviation. The paper has none."""
    weight: str = "rollout"
    """`rollout`: mean of each rollout, then of the rollouts. `token`: mean of all tokens."""
    clip_low: float = 0.2
    """The ratio is clipped below 1 - clip_low. The paper does not give it; 0.2 is PPO's."""
    clip_high: float = 0.2
    """The ratio is clipped above 1 + clip_high."""
    kl: str = "k3"
    """The estimator of the KL divergence from the reference, in the loss."""
    beta: float = 0.04
    """The weight of that KL; 0: no reference is kept."""

    def advantages(self, rewards: Tensor, group: Tensor) -> Tensor:
        """One advantage per scored rollout, float64: rewards [N], group of each [N]."""
        if self.advantage == "group-mean":
            return advantages.group_centred(rewards, group)
        return advantages.group_normalized(
            rewards, group, correction=DEVIATIONS[self.deviation], epsilon=self.epsilon
        )

    def weights(self, lengths: Tensor, group: Tensor) -> Tensor:
        """One weight per scored rollout, float64, which each of its tokens has."""
        return WEIGHTS[self.weight](lengths, group)

    def surrogate(self, logprobs: Tensor, old: Tensor, token_advantages: Tensor) -> Tensor:
        """The loss of each token, [T]."""
        return surrogates.clipped(
            logprobs, old, token_advantages, clip_low=self.clip_low, clip_high=self.clip_high
        )

    def divergence(self, logprobs: Tensor, reference: Tensor) -> Tensor:
        """The KL estimate of each token, [T]."""
        return KL[self.kl](logprobs, reference)


GRPO = Algorithm()
ALGORITHMS: dict[str, Algorithm] = {algorithm.name: algorithm for algorithm in (GRPO,)}

_ALLOWED: dict[str, tuple[str, ...]] = {
    "advantage": ("group-deviation", "group-mean"),
    "deviation": tuple(DEVIATIONS),
    "weight": tuple(WEIGHTS),
    "kl": tuple(KL),
}


def choose(name: str, changes: Mapping[str, object]) -> Algorithm:
    """The algorithm of that name with a recipe's changes.

    Raises RecipeError for an unknown name, an unknown choice, or a value it cannot have.
    """
    if name not in ALGORITHMS:
        raise RecipeError(f"there is no algorithm {name!r}", _nearest(name, tuple(ALGORITHMS)))
    known = tuple(f.name for f in fields(Algorithm) if f.name not in ("name", "paper"))
    for key, value in changes.items():
        if key not in known:
            raise RecipeError(f"algorithm {name!r} has no choice {key!r}", _nearest(key, known))
        _check_value(name, key, value)
    return replace(ALGORITHMS[name], **dict(changes))  # type: ignore[arg-type]  # checked above


def _check_value(name: str, key: str, value: object) -> None:
    if key in _ALLOWED:
        if value not in _ALLOWED[key]:
            allowed = ", ".join(_ALLOWED[key])
            raise RecipeError(f"algorithm.{key} is {value!r}", f"{name} can have: {allowed}")
    elif isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        raise RecipeError(f"algorithm.{key} is {value!r}", "it is a number, at least 0")


def _nearest(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return (f"the nearest is {close[0]!r}; " if close else "") + f"known: {', '.join(known)}"
