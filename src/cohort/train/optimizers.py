"""The optimizers that there are, and what each of them keeps of a parameter, as plain tensors.

    adamw        two moments of every number (Loshchilov and Hutter 2019, arXiv:1711.05101)
    adafactor    of a matrix the mean squares of its rows and of its columns; steps are relative to the
                 size of the weights (Shazeer and Stern 2018, arXiv:1804.04235, algorithm 4)
    muon         one moment of a hidden matrix, whose update is made orthogonal (Jordan 2024), as large as
                 AdamW's (Liu et al. 2025, arXiv:2502.16982, equation 4); AdamW for all else
    adamw-8bit   AdamW's moments in 8 bits (`eight_bit`)

The first three are torch's. How weights in less than float32 take an update is said elsewhere (`rounding`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cohort.config.optimizer import Optimizer as Options
from cohort.data.checkpoints import DamagedError
from cohort.train import eight_bit

MOMENTUM = 0.95
"""Of Muon, as published."""
LEAST_SCALE = 1e-3
"""The size that Adafactor takes weights to have at least; the paper's second epsilon."""

Shapes = dict[str, tuple[torch.Size, torch.dtype]]


class Optimizers:
    """One or two of torch's optimizers for some parameters, as one."""

    def __init__(
        self, parameters: Sequence[nn.Parameter], hidden: Sequence[bool], options: Options
    ) -> None:
        """hidden: which of them are matrices between the embeddings and the head."""
        turned = [p for p, between in zip(parameters, hidden, strict=True) if between]
        if options.name != "muon":
            turned = []
        own = {id(p) for p in turned}
        rest = [p for p in parameters if id(p) not in own]
        self._name = options.name
        self._made: list[torch.optim.Optimizer] = []
        if rest:
            self._made.append(_of_any(rest, options))
        if turned:
            self._made.append(_muon(turned, options))
        self._of = {
            id(parameter): optimizer
            for optimizer in self._made
            for group in optimizer.param_groups
            for parameter in group["params"]
        }

    def step(self, rate: float) -> None:
        """Update the parameters that have a gradient."""
        for optimizer in self._made:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()

    def state(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        """What is kept of a parameter; nothing before its first update."""
        optimizer = self._of[id(parameter)]
        kept: Mapping[str, Any] = optimizer.state.get(parameter, {})
        return eight_bit.plain(kept) if self._name == eight_bit.NAME else dict(kept)

    def restore(self, name: str, parameter: nn.Parameter, saved: Mapping[str, Tensor]) -> None:
        """Give back what `state` said. Raises DamagedError where it is not of such a parameter."""
        if not saved:
            return
        optimizer = self._of[id(parameter)]
        hidden = isinstance(optimizer, torch.optim.Muon)
        wanted = kept_of(self._name, parameter.shape, parameter.dtype, hidden=hidden)
        if set(saved) != set(wanted):
            raise DamagedError(f"optimizer {name} has {', '.join(sorted(saved))[:60]}")
        for what, value in saved.items():
            if (value.shape, value.dtype) != wanted[what]:
                raise DamagedError(f"optimizer {name}/{what} is {value.dtype} {tuple(value.shape)}")
        moved = {what: value.to(parameter.device) for what, value in saved.items()}
        given = eight_bit.given_back(moved) if self._name == eight_bit.NAME else moved
        optimizer.state[parameter] = given


def _of_any(parameters: Sequence[nn.Parameter], options: Options) -> torch.optim.Optimizer:
    """An optimizer that takes parameters of any shape."""
    decay = options.weight_decay
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    if options.name == "adafactor":
        # torch holds the mean square of a matrix to its first epsilon, and single ones to its square.
        least = options.epsilon**2, LEAST_SCALE
        return torch.optim.Adafactor(groups, lr=options.learning_rate, eps=least)
    if options.name == eight_bit.NAME:
        return eight_bit.adamw_8bit(groups, options)
    return torch.optim.AdamW(
        groups,
        lr=options.learning_rate,
        betas=(options.beta1, options.beta2),
        eps=options.epsilon,
        fused=True,
    )


def _muon(parameters: Sequence[nn.Parameter], options: Options) -> torch.optim.Optimizer:
    return torch.optim.Muon(
        parameters,
        lr=options.learning_rate,
        weight_decay=options.weight_decay,
        momentum=MOMENTUM,
        adjust_lr_fn="match_rms_adamw",
    )


def kept_of(name: str, shape: torch.Size, dtype: torch.dtype, *, hidden: bool) -> Shapes:
    """What the optimizer of this name keeps of a parameter once it was updated."""
    count: Shapes = {"step": (torch.Size(), torch.float32)}
    match name:
        case "adafactor" if len(shape) > 1:
            rows, columns = torch.Size((*shape[:-1], 1)), torch.Size((*shape[:-2], 1, shape[-1]))
            return count | {"row_var": (rows, dtype), "col_var": (columns, dtype)}
        case "adafactor":
            return count | {"variance": (shape, dtype)}
        case "muon" if hidden:
            return {"momentum_buffer": (shape, dtype)}
        case eight_bit.NAME:
            return eight_bit.kept_of(shape)
    return count | {"exp_avg": (shape, dtype), "exp_avg_sq": (shape, dtype)}
