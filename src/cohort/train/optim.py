"""An update, its learning rate, and the norm of a gradient. One optimizer per stage; it starts fresh.

A policy in less than float32 keeps computing in it; its gradients are summed and its updates computed in
float32, and `rounding` says how they come into its weights. Which optimizers there are: `optimizers`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from transformers.modeling_utils import PreTrainedModel

from cohort.config.stages import Optimizer
from cohort.data import keyed
from cohort.data.checkpoints import DamagedError
from cohort.data.packing import Row
from cohort.errors import DivergedError, NotFiniteError
from cohort.policy.outline import hidden_matrices
from cohort.train.optimizers import Optimizers
from cohort.train.rounding import fill, held_for, is_narrow, take_back
from cohort.train.rows import Rows, add

Seen = TypeVar("Seen")

MASTER = "master"
"""The part of an optimizer's state that is the float32 copy of a weight in less precision."""

NORMED_TOGETHER = 1 << 22
"""Numbers of a gradient that exist in float64 at a time, while its norm is taken."""

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

    def __init__(
        self,
        trained: Trainable,
        options: Optimizer,
        *,
        updates: int,
        key: tuple[keyed.Part, ...] = (),
    ) -> None:
        """updates: of the whole stage. key: names what is drawn where weights are rounded by chance."""
        self._trained, self._options, self._updates, self._key = trained, options, updates, key
        named = [(name, p) for name, p in trained.model.named_parameters() if p.requires_grad]
        self._names = [name for name, _ in named]
        self._parameters = [parameter for _, parameter in named]
        self._held = [held_for(p, options.rounding) for p in self._parameters]
        self._rows = Rows[Any](self._parameters)
        places = options.rounding != "masters" and any(is_narrow(p) for p in self._parameters)
        between = hidden_matrices(trained.model)
        hidden = [id(p) in between for p in self._parameters]
        # Places are filled one at a time, so each has an optimizer of its own.
        self._each = [
            Optimizers([held], [flag], options)
            for held, flag in zip(self._held, hidden, strict=True)
            if places
        ]
        self._all = None if places else Optimizers(self._held, hidden, options)
        self._weights = self._parameters if places else self._held
        self.made = 0
        """Updates made so far in this stage."""
        self.rate_factor = 1.0
        """What every learning rate is multiplied with; less than 1 after a rollback."""

    def clear(self) -> None:
        """Forget the gradients of the last update."""
        for held in self._held:
            held.grad = None

    def add_gradient(
        self, rows: Sequence[Row], loss: Callable[[Row], tuple[Tensor, Seen]]
    ) -> list[Seen]:
        """Add the gradient of an update's rows; returns what `loss` keeps of each.

        `loss(row)` is the row's share in the loss, and that. Sums are in float32.
        """
        gradients, kept = self._rows.gradient(rows, loss)
        for own in gradients:
            for held, gradient in zip(self._held, own, strict=True):
                held.grad = add(held.grad, gradient)
        return kept

    def update(self) -> dict[str, float]:
        """One update from the gradients that are there; they are scaled down to the largest norm.

        A step without any gradient (no group with signal) makes no update, but counts.
        Raises NotFiniteError when a gradient is not finite: nothing is changed then. Raises
        DivergedError when the weights afterwards are not finite, or their norm has grown more
        than `LARGEST_GROWTH`-fold.
        """
        rate = self.rate_factor * learning_rate(self.made, self._options, updates=self._updates)
        gradients = [held.grad for held in self._held if held.grad is not None]
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
            before = total_norm(self._weights)
            self._step(rate)
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
        for number, (name, parameter, held) in enumerate(self._triples()):
            for what, value in self._optimizer(number).state(held).items():
                found[f"{name}/{what}"] = value
            if self._is_master(held, parameter):
                found[f"{name}/{MASTER}"] = held.detach()
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
        for number, (name, parameter, held) in enumerate(self._triples()):
            own = by_name[name]
            master = own.pop(MASTER, None)
            if (master is None) == self._is_master(held, parameter):
                raise DamagedError(f"optimizer {name}/{MASTER} is not as the precision asks for")
            self._optimizer(number).restore(name, held, own)
            if master is not None:
                _check_master(name, master, held)
                held.data.copy_(master)
        self.made = made

    def _triples(self) -> Iterator[tuple[str, nn.Parameter, nn.Parameter]]:
        """Name, parameter, and what the optimizer holds for it."""
        return zip(self._names, self._parameters, self._held, strict=True)

    def _optimizer(self, number: int) -> Optimizers:
        return self._all or self._each[number]

    def _is_master(self, held: nn.Parameter, parameter: nn.Parameter) -> bool:
        return held is not parameter and self._all is not None

    def _step(self, rate: float) -> None:
        """Update what has a gradient: all at once, or one place after another."""
        if self._all is not None:
            self._all.step(rate)
            return
        for number, (name, parameter, held) in enumerate(self._triples()):
            if held.grad is None:
                continue
            if held is not parameter:
                fill(held, parameter)
            self._each[number].step(rate)
            if held is not parameter:
                chance = (*self._key, "rounding", self.made, name)
                take_back(held, parameter, chance if self._by_chance else None)

    @property
    def _by_chance(self) -> bool:
        return self._options.rounding == "stochastic"

    def _bad_gradient(self) -> str:
        """The first parameter whose gradient is not finite, or what else makes the norm so."""
        for name, held in zip(self._names, self._held, strict=True):
            if held.grad is not None and not bool(torch.isfinite(held.grad).all()):
                return f"that of {name}"
        return "its norm is larger than a number can be"

    def _check_weights(self, before: float, rate: float) -> None:
        after = total_norm(self._weights)
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
        for number, (name, _, held) in enumerate(self._triples()):
            for what, value in self._optimizer(number).state(held).items():
                if not bool(torch.isfinite(value).all()):
                    return f"{what} of {name}"
        for name, weight in zip(self._names, self._weights, strict=True):
            if not bool(torch.isfinite(weight).all()):
                return name
        return ""

    @torch.no_grad()
    def _round(self) -> None:
        """The weights from their masters; where there are places they have them already."""
        for _, parameter, held in self._triples():
            if self._is_master(held, parameter):
                parameter.copy_(held)


def _check_master(name: str, saved: Tensor, held: Tensor) -> None:
    if (saved.shape, saved.dtype) != (held.shape, held.dtype):
        raise DamagedError(f"optimizer {name}/{MASTER} is {saved.dtype} {tuple(saved.shape)}")


def total_norm(weights: Sequence[Tensor]) -> float:
    """The Euclidean norm over all weights together, each tensor's in its own precision."""
    with torch.no_grad():
        norms = torch._foreach_norm(list(weights))
    return float(torch.stack([norm.to(norms[0].device).double() for norm in norms]).norm())


def gradient_norm(gradients: list[Tensor]) -> float:
    """The Euclidean norm over all gradients together; 0 where there are none."""
    if not gradients:
        return 0.0
    norms = [
        part.double().norm()
        for gradient in gradients
        for part in gradient.reshape(-1).split(NORMED_TOGETHER)
    ]
    return float(torch.stack(norms).norm())


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
