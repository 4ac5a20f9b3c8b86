"""Between the padded matrices of the cases and the flat tokens of Cohort."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Tokens(NamedTuple):
    """Where the sampled tokens of a mask lie; their order is that of the flat tensors."""

    row: Tensor
    """The rollout of each token, `Int[T]`."""
    column: Tensor
    shape: tuple[int, int]


def tokens_of(mask: Sequence[Sequence[float]]) -> Tokens:
    matrix = torch.tensor(mask) > 0
    row, column = matrix.nonzero(as_tuple=True)
    return Tokens(row, column, (matrix.shape[0], matrix.shape[1]))


def flat(matrix: Sequence[Sequence[float]], tokens: Tokens, dtype: torch.dtype) -> Tensor:
    return torch.tensor(matrix, dtype=dtype)[tokens.row, tokens.column]


def padded(values: Tensor, tokens: Tokens) -> list[list[Any]]:
    """The matrix again, with 0 where no token was sampled."""
    matrix = values.new_zeros(tokens.shape)
    return matrix.index_put((tokens.row, tokens.column), values).tolist()


def by_group(values: Tensor, group: Tensor) -> list[list[Any]]:
    """One list per group, by ascending number."""
    return [values[group == number].tolist() for number in torch.unique(group)]


def grouped(rows: Sequence[Sequence[float]], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Rewards flat, and the group of each; groups may differ in size."""
    sizes = torch.tensor([len(row) for row in rows])
    group = torch.arange(len(rows)).repeat_interleave(sizes)
    return torch.tensor([value for row in rows for value in row], dtype=dtype), group
