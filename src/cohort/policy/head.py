"""The head: log-probability and entropy of sampled tokens, in chunks, fused with their gradient.

The logits of a step never exist at once: a chunk of hidden states is projected, reduced and
dropped, and projected again for the gradient. Sums are in float32 whatever the weights are in.

    S sampled tokens, d hidden width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from cohort.policy.bent import capped
from cohort.policy.products import outer, product

CHUNK_BYTES = {"cpu": 32 * 2**20}
"""The most memory that one chunk of float32 logits takes; 512 MiB off the CPU, whose cache is small."""


@dataclass(frozen=True, slots=True)
class Shaped:
    """What a model makes of its logits z: cap tanh(factor z / cap), or factor z for a cap of 0."""

    factor: float = 1.0
    cap: float = 0.0

    @classmethod
    def of(cls, config: Any) -> Shaped:
        """As a model's configuration says; the probe shows what it does not say."""
        scaled = float(getattr(config, "logit_scale", None) or 1.0)
        divided = float(getattr(config, "logits_scaling", None) or 1.0)
        cap = float(getattr(config, "final_logit_softcapping", None) or 0.0)
        return cls(scaled / divided, cap)

    def __call__(self, logits: Tensor) -> Tensor:
        """Logits as the model has them."""
        return capped(logits if self.factor == 1.0 else logits * self.factor, self.cap)

    def slope_(self, gradient: Tensor, shaped: Tensor) -> Tensor:
        """From a gradient of shaped logits to that of plain ones, in place."""
        if self.cap:
            gradient *= 1.0 - (shaped / self.cap) ** 2
        return gradient if self.factor == 1.0 else gradient.mul_(self.factor)


PLAIN = Shaped()


def token_logprobs(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    tokens: Tensor,
    *,
    temperature: Tensor | float = 1.0,
    shaped: Shaped = PLAIN,
) -> tuple[Tensor, Tensor]:
    """log softmax(shaped(hidden W^T) / temperature)[token], and that distribution's entropy in nats.

    hidden [S, d], weight [V, d], bias [V] or None, tokens [S] -> two float32 tensors [S].
    temperature is one for all, or one per token, [S].
    Both can be differentiated.
    """
    apply = cast(Callable[..., tuple[Tensor, Tensor]], _TokenLogprobs.apply)
    return apply(hidden, weight, bias, tokens, temperature, shaped)


def chunks(rows: int, *, vocabulary: int, device: str = "cpu") -> Iterator[slice]:
    """Slices over `rows` rows whose float32 logits take at most CHUNK_BYTES each."""
    size = max(1, CHUNK_BYTES.get(device, 512 * 2**20) // (4 * vocabulary))
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        tokens: Tensor,
        temperature: Tensor | float,
        shaped: Shaped,
    ) -> tuple[Tensor, Tensor]:
        normalizer = hidden.new_empty(len(tokens), dtype=torch.float32)
        logprobs, entropy = torch.empty_like(normalizer), torch.empty_like(normalizer)
        for part in chunks(len(tokens), vocabulary=len(weight), device=weight.device.type):
            logits = shaped(product(hidden[part], weight, bias).float())
            logits = _heated(logits, _part(temperature, part))
            normalizer[part] = torch.logsumexp(logits, dim=-1)
            logits -= normalizer[part, None]
            logprobs[part] = logits.gather(1, tokens[part, None])[:, 0]
            entropy[part] = -(logits.exp() * logits).sum(-1)
        ctx.save_for_backward(hidden, weight, bias, tokens, normalizer, entropy)
        ctx.temperature, ctx.shaped = temperature, shaped
        return logprobs, entropy

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        of_logprob, of_entropy = gradients
        hidden, weight, bias, tokens, normalizer, entropy = ctx.saved_tensors
        d_hidden = torch.empty_like(hidden)
        d_weight = None  # of a frozen head, beside adapters, nobody asks
        if ctx.needs_input_grad[1]:
            d_weight = torch.zeros_like(weight, dtype=torch.float32)
        d_bias = None if bias is None else torch.zeros_like(bias, dtype=torch.float32)
        for part in chunks(len(tokens), vocabulary=len(weight), device=weight.device.type):
            heat = _part(ctx.temperature, part)
            shaped = ctx.shaped(product(hidden[part], weight, bias).float())
            logits = _heated(shaped, heat)
            if logits is shaped and ctx.shaped.cap:
                logits = shaped.clone()
            logits -= normalizer[part, None]
            probabilities = logits.exp()
            logits += entropy[part, None]
            # d logp_token / d logits = onehot - p;  d entropy / d logits = -p (log p + entropy)
            logits *= of_entropy[part, None]
            logits += of_logprob[part, None]
            logits *= probabilities.neg_()
            logits.scatter_add_(1, tokens[part, None], of_logprob[part, None])
            logits /= heat
            ctx.shaped.slope_(logits, shaped)
            if d_bias is not None:
                d_bias += logits.sum(0)
            narrow = logits.to(weight.dtype)
            d_hidden[part] = product(narrow, weight.t())
            if d_weight is None:
                continue
            if narrow is logits:
                d_weight.addmm_(narrow.T, hidden[part])
            else:
                d_weight += outer(narrow, hidden[part])
        d_bias = None if bias is None or d_bias is None else d_bias.to(bias.dtype)
        d_weight = None if d_weight is None else d_weight.to(weight.dtype)
        return d_hidden, d_weight, d_bias, None, None, None


def _part(temperature: Tensor | float, part: slice) -> Tensor | float:
    return temperature[part, None] if isinstance(temperature, Tensor) else temperature


def _heated(logits: Tensor, temperature: Tensor | float) -> Tensor:
    if not isinstance(temperature, Tensor) and temperature == 1.0:
        return logits
    return logits / temperature
