"""A critic: says before each token how much reward is still to come, and learns it from each step.

    loss = 1 / T sum over the update's tokens of  max((V - R)^2, (clip(V, V_old - c, V_old + c) - R)^2) / 2

T is counted for the whole update, so cuts into rows change nothing. `OwnCritic` is a model of its own.
`HeadCritic` reads the hidden states of the policy, from the forward pass that the log-probabilities
come from; its loss is in the policy's loss too, and moves the layers below.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import Any, cast, final

import torch
from torch import Tensor, nn

from cohort.config import critic as config
from cohort.data.packing import Row
from cohort.errors import NotFiniteError
from cohort.objective.values import clipped_squared_error, squared_error
from cohort.policy.policy import Policy
from cohort.policy.valued import Valued
from cohort.train.batch import Batch
from cohort.train.optim import Trainable, Updater
from cohort.train.state import Learner


class Critic(ABC):
    """What both kinds have in common: the loss, and the update."""

    def __init__(self, trained: Trainable, options: config.Critic, *, updates: int) -> None:
        self.learner = Learner(trained, Updater(trained, options.optimizer, updates=updates))
        """What is trained, and its optimizer."""
        self._clip = options.clip

    @abstractmethod
    def values(self, row: Row) -> Tensor:
        """The value before each of a row's sampled tokens, in the row's order: float32 [S]."""

    def beside(self, batch: Batch, row: Row, states: Tensor) -> Tensor | float:
        """What the critic adds to a row's share in the policy's loss, given the policy's states."""
        return 0.0

    def learn(self, batch: Batch) -> dict[str, float]:
        """One update on all tokens of a batch; its metrics.

        Raises NotFiniteError where a value, a target or a gradient is not finite: nothing is changed.
        """
        updater = self.learner.updater
        updater.clear()
        seen = updater.add_gradient(batch.rows, partial(self._share, batch))
        metrics = {"val/grad_norm": updater.update()["grad_norm"]}
        updater.clear()
        if batch.tokens:
            metrics["loss/value_avg"] = sum(loss for loss, _ in seen)
            if self._clip:
                metrics["val/clipfrac_avg"] = sum(held for _, held in seen) / batch.tokens
        return metrics

    def skip_to(self, made: int) -> None:
        """Leave updates out until so many would have been made."""
        self.learner.updater.skip_to(made)

    def losses(self, values: Tensor, batch: Batch, row: Row) -> Tensor:
        """The loss of each of a row's tokens: [S]."""
        old, targets = batch.select(batch.values, row), batch.select(batch.targets, row)
        if not self._clip:
            return squared_error(values, targets)
        return clipped_squared_error(values, old, targets, clip=self._clip)

    def _share(self, batch: Batch, row: Row) -> tuple[Tensor, tuple[float, int]]:
        """A row's share in the loss; that, and how many of its values are held back by the clip."""
        values = self.values(row)
        losses = self.losses(values, batch, row)
        _check_finite(batch, row, values)
        plain = squared_error(values.detach(), batch.select(batch.targets, row))
        share = losses.sum() / batch.tokens
        return share, (float(share.detach()), int((losses.detach() > plain).sum()))


@final
class OwnCritic(Critic):
    """A model beside the policy."""

    def __init__(self, valued: Valued, options: config.Critic, *, updates: int) -> None:
        super().__init__(valued, options, updates=updates)
        self._valued = valued

    def values(self, row: Row) -> Tensor:
        """The value before each of a row's sampled tokens."""
        return self._valued.values(row)


class Head:
    """One linear layer in float32 from the policy's hidden states to a number."""

    def __init__(self, weight: Tensor) -> None:
        self.version = 0
        """Optimizer updates made so far."""
        self.layer = nn.Linear(len(weight), 1, device=weight.device)
        with torch.no_grad():
            self.layer.weight.copy_(weight)
            self.layer.bias.zero_()

    @property
    def model(self) -> Any:
        """The layer; its parameters are what is trained."""
        return self.layer

    def __call__(self, states: Tensor) -> Tensor:
        """[S, d] -> [S]."""
        return cast(Tensor, self.layer(states.float()))[:, 0]


@final
class HeadCritic(Critic):
    """A head on the policy's own layers, moved by the loss of both."""

    def __init__(self, head: Head, policy: Policy, options: config.Critic, *, updates: int) -> None:
        super().__init__(head, options, updates=updates)
        self._head, self._policy, self._coefficient = head, policy, options.coefficient
        self._kept: dict[int, Tensor] = {}

    def values(self, row: Row) -> Tensor:
        """The value before each of a row's sampled tokens, of states that nothing flows back into."""
        states = self._kept.get(id(row))
        if states is None:
            with torch.no_grad():
                states = self._policy.states(row)
        return self._head(states)

    def beside(self, batch: Batch, row: Row, states: Tensor) -> Tensor | float:
        """The loss of the values in the policy's; the states are kept for the head's own update."""
        self._kept[id(row)] = states.detach()
        if not self._coefficient:
            return 0.0
        share = self.losses(self._head(states), batch, row).sum() / batch.tokens
        return self._coefficient * share

    def learn(self, batch: Batch) -> dict[str, float]:
        """One update of the head; the states are those of the policy's last forward pass."""
        try:
            return super().learn(batch)
        finally:
            self._kept.clear()

    def skip_to(self, made: int) -> None:
        """Leave updates out until so many would have been made."""
        self._kept.clear()
        super().skip_to(made)


def _check_finite(batch: Batch, row: Row, values: Tensor) -> None:
    """Raise NotFiniteError where a value, or what it is to be, is not finite."""
    targets = batch.select(batch.targets, row)
    for what, numbers in (("the target of the value", targets), ("the value", values.detach())):
        if bool(torch.isfinite(numbers).all()):
            continue
        first = int((~torch.isfinite(numbers)).nonzero()[0, 0])
        problem = batch.problems[int(batch.select(batch.rollout, row)[first])]
        raise NotFiniteError(
            f"{what} of problem {problem!r} has the value {float(numbers[first])}",
            "lower critic.optimizer.learning_rate",
        )
