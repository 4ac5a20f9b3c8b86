"""The next token: the likeliest one, or the one at which the distribution passes an answer's uniform.

    B answers, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cohort.policy import native

NARROW = 4096
"""Vocabularies up to this size are summed up in one piece, larger ones in pieces of about a root of them."""
LEAST_WIDTH = 128
"""Of a piece that the vocabulary's size is made to fit."""


def likeliest(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The likeliest token of each row and its log-probability: [B, V] -> [B], float32 [B]."""
    logprobs = logits.float().log_softmax(-1)
    tokens = logprobs.argmax(-1)
    return tokens, logprobs.gather(1, tokens[:, None])[:, 0]


def drawn(
    logits: Tensor, temperatures: Tensor, uniforms: Tensor, *, heated: bool = True
) -> tuple[Tensor, Tensor]:
    """A token of each row by inverse transform and its log-probability: [B, V] -> [B], float32 [B].

    temperatures [B], uniforms float64 [B]. heated: a temperature is not 1.
    """
    if native.suits(logits):
        return native.draw(logits, temperatures, uniforms)
    logits = logits.float()
    if heated:
        logits = logits / temperatures[:, None]
    logprobs = logits.log_softmax(-1)
    tokens = inverse_transform(logprobs.exp(), uniforms)
    return tokens, logprobs.gather(1, tokens[:, None])[:, 0]


def inverse_transform(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """The token at which the cumulative distribution first exceeds the uniform: [B, V], [B] -> [B].

    In float64, so that a token's chance is right to the last bit of its float32 probability. The
    probabilities need not add up to 1: the uniform is taken of their sum.
    """
    count = probabilities.shape[-1]
    if count <= NARROW:
        cumulative = probabilities.cumsum(-1, dtype=torch.float64)
        return _passed(cumulative, uniforms * cumulative[:, -1], count)
    width = 1 << (count.bit_length() // 2)
    while width > LEAST_WIDTH and count % width:  # pieces that need no padding need no copy
        width //= 2
    if count % width:
        probabilities = torch.nn.functional.pad(probabilities, (0, -count % width))
    pieces = probabilities.view(len(probabilities), -1, width)
    ends = pieces.sum(-1, dtype=torch.float64).cumsum(-1)
    target = uniforms * ends[:, -1]
    piece = _passed(ends, target, pieces.shape[1])
    before = torch.where(piece > 0, ends.gather(1, (piece - 1).clamp(min=0)[:, None])[:, 0], 0.0)
    inside = pieces.gather(1, piece[:, None, None].expand(-1, 1, width))[:, 0]
    within = _passed(inside.cumsum(-1, dtype=torch.float64), target - before, width)
    return (piece * width + within).clamp(max=count - 1)


def _passed(cumulative: Tensor, target: Tensor, count: int) -> Tensor:
    """The first place at which a sum exceeds its target; the last one where rounding lets none."""
    return torch.searchsorted(cumulative, target[:, None], right=True)[:, 0].clamp(max=count - 1)
