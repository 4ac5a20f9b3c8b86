"""How weights in less than float32 take an update of float32: what the optimizer holds in their place.

    masters      a float32 copy of each weight stays and is what is updated; the weight is its rounding
                 (Micikevicius et al. 2018, "Mixed Precision Training", section 3.1)
    stochastic   no copies: a weight is widened, updated, and rounded up or down by chance, so that its mean
                 is what the update asks for (Gupta et al. 2015, arXiv:1502.02551, section 3)
    nearest      neither: bfloat16 has 8 bits, and a change below 1/512 of a weight is lost, every time

The last two widen one tensor at a time. Bits are drawn by a key, so a run that goes on draws the same.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from cohort.data import keyed

CHUNK = 1 << 22
"""Numbers that are rounded at a time."""


def is_narrow(parameter: Tensor) -> bool:
    """Whether a parameter has less precision than updates are computed in."""
    return parameter.dtype not in (torch.float32, torch.float64)


def held_for(parameter: nn.Parameter, rounding: str) -> nn.Parameter:
    """What the optimizer holds: the parameter itself, a master of it, or an empty place for one.

    A place has the shape and takes gradients, and has no memory of its own.
    """
    if not is_narrow(parameter):
        return parameter
    if rounding == "masters":
        return nn.Parameter(parameter.detach().float())
    return nn.Parameter(_nothing(parameter))


def fill(place: nn.Parameter, parameter: Tensor) -> None:
    """Widen a parameter into its place."""
    place.data = parameter.detach().float()


@torch.no_grad()
def take_back(place: nn.Parameter, parameter: Tensor, key: tuple[keyed.Part, ...] | None) -> None:
    """Round what is in the place into the parameter, by the chance of this key or to the nearest; the
    place is empty then."""
    if key is None:
        parameter.copy_(place)
    else:
        round_into(parameter, place.detach(), key)
    place.data = _nothing(parameter)


def round_into(narrow: Tensor, wide: Tensor, key: tuple[keyed.Part, ...]) -> None:
    """narrow <- wide, up with the probability that makes its mean wide: bfloat16 and float32 of one shape.

    Between two neighbours of bfloat16 lie 2^16 of float32: one of as many integers is added to the bits, and
    the lower half of them is dropped. What bfloat16 can say stays as it is.
    """
    assert narrow.dtype == torch.bfloat16, narrow.dtype
    draw = keyed.generator(*key).bit_generator
    flat, source = narrow.view(-1), wide.reshape(-1)
    for start in range(0, len(source), CHUNK):
        part = source[start : start + CHUNK]
        words = draw.random_raw(-(-len(part) // 4)).view(np.uint16)[: len(part)]
        bits = torch.from_numpy(words.astype(np.int32)).to(part.device)
        bits += part.view(torch.int32)
        bits &= -(1 << 16)
        flat[start : start + CHUNK] = bits.view(torch.float32)


def _nothing(parameter: Tensor) -> Tensor:
    return torch.zeros((), device=parameter.device).expand(parameter.shape)
