"""Short names for the tensors that tests of the mathematics write down."""

from collections.abc import Sequence

import torch
from torch import Tensor


def F64(values: Sequence[float], *, grad: bool = False) -> Tensor:
    """A float64 tensor."""
    return torch.tensor(list(values), dtype=torch.float64, requires_grad=grad)


def I64(values: Sequence[int]) -> Tensor:
    """An int64 tensor."""
    return torch.tensor(list(values), dtype=torch.int64)
