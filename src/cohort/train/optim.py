"""AdamW, its schedule, and the norm of a gradient. One optimizer per stage; it starts fresh.

A policy in less than float32 keeps computing in it; what the optimizer updates is a float32 copy of
each weight, the master, from which the policy's weights are rounded. Without it most updates of a
small learning rate would be lost: bfloat16 has 8 bits, and a change below 1/256 of a weight rounds
to none (Micikevicius et al. 2018, "Mixed Precision Training", section 3.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from transformers.modeling_utils import PreTrainedModel

from cohort.config.stages import Optimizer
from cohort.data.checkpoints import DamagedError
from cohort.data.packing import Row
from cohort.errors import DivergedError, NotFiniteError
from cohort.train.rows import Rows, add

Seen = TypeVar("Seen")

MASTER = "master"
"""The part of an optimizer's state that is the float32 copy of a weight in less precision."""

LARGEST_GROWTH = 10.0
"""An update that makes the norm of all weights grow more than this has thrown the policy away."""


class Trainable(Protocol):
    """A policy, or another model that learns; `version` counts its updates."""

    version: int

    @property
    def model(self) -> PreTrainedModel:
        """The model; its parameters are what is trained."""


class Updater:
    """Makes optimizer updates, each at the learning rate that its number asks for."""

    def __init__(self, trained: Trainable, options: Optimizer, *, updates: int) -> None:
        self._trained, self._options, self._updates = trained, options, updates
        named = [(name, p) for name, p in trained.model.named_parameters() if p.requires_grad]
        self._names = [name for name, _ in named]
        self._parameters = [parameter for _, parameter in named]
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
        self.rate_factor = 1.0
        """What every learning rate is multiplied with; less than 1 after a rollback."""

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
        Raises NotFiniteError when a gradient is not finite: nothing is changed then. Raises
        DivergedError when the weights afterwards are not finite, or their norm has grown more
        than `LARGEST_GROWTH`-fold.
        """
        rate = self.rate_factor * learning_rate(self.made, self._options, updates=self._updates)
        gradients = [p.grad for p in self._masters if p.grad is not None]
        norm = gradient_norm(gradients)
        if not math.isfinite(norm):
            raise NotFiniteError(
                f"the gradient of update {self.made + 1} is not finite: {self._bad_gradient()}",
                "the update is left out",
            )
        if norm > 0.0:
            share = self._options.max_gradient_norm / norm
            if share < 1.0:
                torch._foreach_mul_(gradients, share)
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            before = total_norm(self._masters)
            self._optimizer.step()
            self._check_weights(before, rate)
            self._round()
            self._trained.version += 1
        self.made += 1
        return {"grad_norm": norm, "learning_rate": rate}

    def skip_to(self, made: int) -> None:
        """Leave updates out until so many would have been made; the schedule goes on."""
        self.clear()
        self.made = made

    def tensors(self) -> dict[str, Tensor]:
        """The optimizer's state and the float32 masters, as "parameter/what"."""
        found: dict[str, Tensor] = {}
        for name, parameter, master in zip(
            self._names, self._parameters, self._masters, strict=True
        ):
            for what, value in self._optimizer.state.get(master, {}).items():
                found[f"{name}/{what}"] = value
            if master is not parameter:
                found[f"{name}/{MASTER}"] = master.detach()
        return found

    def restore(self, saved: Mapping[str, Tensor], *, made: int) -> None:
        """The state that `tensors` gave, after so many updates.

        Raises DamagedError where it is not that of these parameters.
        """
        by_name: dict[str, dict[str, Tensor]] = {name: {} for name in self._names}
        for key, value in saved.items():
            name, _, what = key.rpartition("/")
            if name not in by_name:
                raise DamagedError(f"optimizer {key[:80]} belongs to no parameter")
            by_name[name][what] = value
        for name, parameter, master in zip(
            self._names, self._parameters, self._masters, strict=True
        ):
            own = by_name[name]
            held = own.pop(MASTER, None)
            _check_moments(name, own, master)
            if (held is None) != (master is parameter):
                raise DamagedError(f"optimizer {name}/{MASTER} is not as the precision asks for")
            if held is not None:
                master.data.copy_(held)
            if own:
                moved = {what: value.to(master.device) for what, value in own.items()}
                self._optimizer.state[master] = moved
        self.made = made

    def _bad_gradient(self) -> str:
        """The first parameter whose gradient is not finite, or what else makes the norm so."""
        for name, master in zip(self._names, self._masters, strict=True):
            if master.grad is not None and not bool(torch.isfinite(master.grad).all()):
                return f"that of {name}"
        return "its norm is larger than a number can be"

    def _check_weights(self, before: float, rate: float) -> None:
        after = total_norm(self._masters)
        if math.isfinite(after) and after <= LARGEST_GROWTH * max(before, 1e-3):
            return
        bad = self._bad_state()
        raise DivergedError(
            f"update {self.made + 1} at learning rate {rate:g} took the norm of the weights from "
            f"{before:.4g} to {after:.4g}" + (f"; {bad} is not finite" if bad else ""),
            "lower the learning rate",
        )

    def _bad_state(self) -> str:
        """The first moment, then the first weight, that is not finite; empty where all are."""
        for name, master in zip(self._names, self._masters, strict=True):
            for what, value in self._optimizer.state.get(master, {}).items():
                if not bool(torch.isfinite(value).all()):
                    return f"{what} of {name}"
        for name, master in zip(self._names, self._masters, strict=True):
            if not bool(torch.isfinite(master).all()):
                return name
        return ""

    @torch.no_grad()
    def _round(self) -> None:
        for parameter, master in zip(self._parameters, self._masters, strict=True):
            if master is not parameter:
                parameter.copy_(master)


def _master(parameter: nn.Parameter) -> nn.Parameter:
    if parameter.dtype in (torch.float32, torch.float64):
        return parameter
    return nn.Parameter(parameter.detach().float())


def _check_moments(name: str, own: Mapping[str, Tensor], master: Tensor) -> None:
    if own and set(own) != {"step", "exp_avg", "exp_avg_sq"}:
        raise DamagedError(f"optimizer {name} has {', '.join(sorted(own))[:60]}")
    for what, value in own.items():
        wanted = (torch.Size(), torch.float32) if what == "step" else (master.shape, master.dtype)
        if (value.shape, value.dtype) != wanted:
            raise DamagedError(f"optimizer {name}/{what} is {value.dtype} {tuple(value.shape)}")


def total_norm(weights: Sequence[Tensor]) -> float:
    """The Euclidean norm over all weights together, in float32."""
    with torch.no_grad():
        norms = torch._foreach_norm(list(weights))
    return float(torch.stack([norm.to(norms[0].device) for norm in norms]).norm())


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
