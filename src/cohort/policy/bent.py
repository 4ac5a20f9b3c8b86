"""Attention whose scores are bent before or within their softmax: soft caps, and sinks.

A soft cap keeps scores s within a bound: cap tanh(s / cap) (Gemma 2, arXiv:2408.00118, section 2.2).
A sink is a score of each head that takes a share of the softmax and gives no value (Xiao et al. 2023,
arXiv:2309.17453; learned per head in GPT-OSS). No fused kernel of torch knows either, so scores are
written out here; that costs memory for every pair of a block's queries and keys.

    n blocks, Hq query and Hk key heads of width D, L queries and K keys of a block.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad


@dataclass(frozen=True, slots=True)
class Bent:
    """What bends a layer's scores: a cap, 0 for none; a sink per query head [Hq], or None."""

    cap: float
    sinks: Tensor | None

    @classmethod
    def of(cls, cap: object, sinks: object) -> Bent | None:
        """What a layer hands to its attention; None where nothing is bent."""
        held = sinks if isinstance(sinks, Tensor) else None
        bound = float(cap) if isinstance(cap, (int, float)) else 0.0
        return cls(bound, held) if bound or held is not None else None


def capped(scores: Tensor, cap: float) -> Tensor:
    """cap tanh(scores / cap); the scores themselves for a cap of 0."""
    return cap * torch.tanh(scores / cap) if cap else scores


def bent_attention(
    query: Tensor, key: Tensor, value: Tensor, *, mask: Tensor | None, scale: float, bent: Bent
) -> Tensor:
    """query [n, Hq, L, D], key and value [n, Hk, K, D]; mask bool [.., L, K], None: causal -> query's."""
    repeat = query.shape[1] // key.shape[1]
    key, value = (tensor.repeat_interleave(repeat, dim=1) for tensor in (key, value))
    scores = capped((query @ key.transpose(-1, -2)).float() * scale, bent.cap)
    if mask is None:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    scores = scores.masked_fill(~mask, torch.finfo(torch.float32).min)
    if bent.sinks is not None:
        sinks = bent.sinks.float()[None, :, None, None].expand(*scores.shape[:-1], 1)
        scores = torch.cat((scores, sinks), -1)
    shares = scores.softmax(-1)[..., : key.shape[2]]
    return shares.to(value.dtype) @ value


def same_width(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Heads of one width, with zeros behind where keys and values differ, as in latent attention."""
    wide, narrow = query.shape[-1], value.shape[-1]
    if wide == narrow:
        return query, key, value
    if narrow < wide:
        return query, key, pad(value, (0, wide - narrow))
    return pad(query, (0, narrow - wide)), pad(key, (0, narrow - wide)), value
