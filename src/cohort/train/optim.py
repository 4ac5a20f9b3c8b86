"""AdamW, its schedule, and the norm of a gradient. One optimizer per stage; it starts fresh.

A policy in less than float32 keeps computing in it; what the optimizer updates is a float32 copy of
each weight, the master, from which the policy's weights are rounded. Without it most updates of a
small learning rate would be lost: bfloat16 has 8 bits, and a change below 1/256 of a weight rounds
to none (Micikevicius et al. 2018, "Mixed Precision Training", section 3.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from cohort.config.stages import Optimizer
from cohort.data.packing import Row
from cohort.errors import TrainingError
from cohort.policy.policy import Policy
from cohort.train.rows import Rows, add

Seen = TypeVar("Seen")


class Updater:
    """Makes optimizer updates, each at the learning rate that its number asks for."""

    def __init__(self, policy: Policy, options: Optimizer, *, updates: int) -> None:
        self._policy, self._options, self._updates = policy, options, updates
        self._parameters = [p for p in policy.model.parameters() if p.requires_grad]
        self._masters = [_master(p) for p in self._parameters]
        self._rows = Rows[Any](self._parameters)
        matrices = [p for p in self._masters if p.ndim >= 2]
        vectors = [p for p in self._masters if p.ndim < 2]
        self._optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": options.weight_decay},
                {"params": vectors, "weight_decay": 0.0},
            ],
            lr=options.learning_rate,
            betas=(options.beta1, options.beta2),
            eps=options.epsilon,
            fused=True,
        )
        self.made = 0
        """Updates made so far in this stage."""

    def clear(self) -> None:
        """Forget the gradients of the last update."""
        for master in self._masters:
            master.grad = None

    def add_gradient(
        self, rows: Sequence[Row], loss: Callable[[Row], tuple[Tensor, Seen]]
    ) -> list[Seen]:
        """Add the gradient of an update's rows; returns what `loss` keeps of each.

        `loss(row)` is the row's share in the loss, and that. Sums are in float32.
        """
        gradients, kept = self._rows.gradient(rows, loss)
        for own in gradients:
            for master, gradient in zip(self._masters, own, strict=True):
                master.grad = add(master.grad, gradient)
        return kept

    def update(self) -> dict[str, float]:
        """One update from the gradients that are there; they are scaled down to the largest norm.

        A step without any gradient (no group with signal) makes no update, but counts.
        Raises TrainingError when a gradient is not finite: nothing is changed then.
        """
        rate = learning_rate(self.made, self._options, updates=self._updates)
        gradients = [p.grad for p in self._masters if p.grad is not None]
        norm = gradient_norm(gradients)
        if not math.isfinite(norm):
            raise TrainingError(
                f"the gradient of update {self.made + 1} is not finite (norm {norm})",
                "lower the learning rate; the weights are those before this update",
            )
        if norm > 0.0:
            share = self._options.max_gradient_norm / norm
            if share < 1.0:
                torch._foreach_mul_(gradients, share)
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            self._optimizer.step()
            self._round()
            self._policy.version += 1
        self.made += 1
        return {"grad_norm": norm, "learning_rate": rate}

    @torch.no_grad()
    def _round(self) -> None:
        for parameter, master in zip(self._parameters, self._masters, strict=True):
            if master is not parameter:
                parameter.copy_(master)


def _master(parameter: nn.Parameter) -> nn.Parameter:
    if parameter.dtype in (torch.float32, torch.float64):
        return parameter
    return nn.Parameter(parameter.detach().float())


def gradient_norm(gradients: list[Tensor]) -> float:
    """The Euclidean norm over all gradients together; 0 where there are none."""
    if not gradients:
        return 0.0
    norms = torch.stack([gradient.double().norm() for gradient in gradients])
    return float(norms.norm())


def learning_rate(update: int, options: Optimizer, *, updates: int) -> float:
    """The learning rate of update number `update` (from 0) of `updates`.

    Linear from 0 over the warm-up, then constant, or falling to `final_share` of the highest.
    """
    highest = options.learning_rate
    if update < options.warmup_steps:
        return highest * (update + 1) / (options.warmup_steps + 1)
    if options.schedule == "constant":
        return highest
    progress = (update - options.warmup_steps) / max(1, updates - options.warmup_steps)
    falling = 1.0 - progress
    if options.schedule == "cosine":
        falling = 0.5 * (1.0 + math.cos(math.pi * progress))
    return highest * (options.final_share + (1.0 - options.final_share) * falling)
