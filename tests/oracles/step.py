"""A fixture's padded matrices as the flat sampled tokens that `cohort.objective` takes, and back."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from cohort.objective import surrogates, weights
from cohort.objective.advantages import group_centred

WEIGHTS: dict[str, Callable[..., Tensor]] = {
    "seq-mean-token-mean": weights.per_rollout,
    "token-mean": weights.per_token,
    "seq-mean-token-sum": weights.per_rollout_sum,
    "mean over responses": weights.per_rollout,
    "mean over responses of sequence sums": weights.per_rollout_sum,
    "mean over responses of (sequence loss x length)": weights.per_rollout_sum,
    "one value per group": weights.per_prompt,
}


@dataclass(frozen=True)
class Step:
    """One group: what a case and its fixture say, by sampled token."""

    inputs: dict[str, Any]
    fixture: dict[str, Any]
    dtype: torch.dtype

    def __getitem__(self, name: str) -> Any:
        return self.inputs[name]

    def read(self, name: str) -> Any:
        """An array of the fixture; the case may give another, or the name of another."""
        value = self.inputs.get(name, name)
        return self.fixture[value] if isinstance(value, str) else value

    @cached_property
    def mask(self) -> Tensor:
        return torch.tensor(self.read("mask")) > 0

    @cached_property
    def rollout(self) -> Tensor:
        return self.mask.nonzero()[:, 0]

    @property
    def lengths(self) -> Tensor:
        return self.mask.sum(1)

    @property
    def group(self) -> Tensor:
        return torch.zeros(len(self.mask), dtype=torch.int64)

    def tokens(self, name: str) -> Tensor:
        return torch.tensor(self.read(name), dtype=self.dtype)[self.mask]

    @cached_property
    def new(self) -> Tensor:
        return self.tokens("lp_new").requires_grad_()

    @property
    def old(self) -> Tensor:
        return self.tokens("lp_old")

    @property
    def reference(self) -> Tensor:
        return self.tokens("lp_ref")

    @property
    def sampler(self) -> Tensor:
        return self.tokens("lp_rollout")

    @property
    def rewards(self) -> Tensor:
        return torch.tensor(self.inputs["rewards"], dtype=self.dtype)

    @cached_property
    def per_rollout(self) -> Tensor:
        """The advantage of each rollout: the reward less the mean where rewards are given."""
        if "rewards" in self.inputs:
            return group_centred(self.rewards, self.group)
        return torch.tensor(self.read("adv_per_response"), dtype=self.dtype)

    @property
    def advantages(self) -> Tensor:
        return self.per_rollout[self.rollout]

    @property
    def clip(self) -> dict[str, float]:
        """The bounds of PPO's clip: one epsilon, or one for each side; DAPO's if none is given."""
        low, high = (self.inputs.get("eps", default) for default in (0.2, 0.28))
        low, high = self.inputs.get("eps_low", low), self.inputs.get("eps_high", high)
        return {"clip_low": float(low), "clip_high": float(high)}

    def matrix(self, values: Tensor) -> Tensor:
        """Token values in their places, 0 elsewhere."""
        empty = torch.zeros(self.mask.shape, dtype=self.dtype)
        return empty.masked_scatter(self.mask, values.detach().to(self.dtype))

    def rows(self, values: Tensor) -> Tensor:
        """What all tokens of a rollout share, by rollout."""
        shared = torch.zeros(len(self.mask), dtype=values.dtype)
        return shared.scatter(0, self.rollout, values.detach())

    def weights(self, aggregation: str) -> Tensor:
        """The weight of each token."""
        if aggregation == "seq-mean-token-sum-norm":
            budget = int(self.inputs["budget"])
            per_rollout = weights.constant_budget(self.lengths, self.group, budget_tokens=budget)
        else:
            per_rollout = WEIGHTS[aggregation](self.lengths, self.group)
        return per_rollout[self.rollout].to(self.dtype)

    def mean(self, losses: Tensor, aggregation: str) -> Tensor:
        return torch.dot(self.weights(aggregation), losses)

    def result(self, losses: Tensor, **further: object) -> dict[str, object]:
        """The loss, its gradient with respect to the current log-probabilities, and more."""
        loss = self.mean(losses, self.inputs["agg"])
        (gradient,) = torch.autograd.grad(loss, self.new)
        return {"loss": loss.detach(), "grad": self.matrix(gradient), **further}


def ppo(step: Step, advantages: Tensor | None = None) -> Tensor:
    """The clipped surrogate of each token, with the advantages of the case or others."""
    given = step.advantages if advantages is None else advantages
    return surrogates.clipped(step.new, step.old, given, **step.clip)
