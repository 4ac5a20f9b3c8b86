"""A check before training: are the log-probabilities of a shared row those of the model itself?

Two short answers to one prompt go through the model's own forward pass, padded to nothing and
alone, and afterwards through Cohort's packed row. Whatever a model does that a packed row cannot
know of (attention of its own, layers with state) shows as a difference; then it has plain rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from cohort.data.packing import Family, Member, Row, pack
from cohort.errors import ModelError
from cohort.policy.attention import Packed
from cohort.policy.bent import Bent
from cohort.policy.policy import Policy

TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.3}
"""The largest difference of a log-probability that rounding can make, by weight type."""
LAST_PLACES = 4
"""Or so many units in the last place of the largest logit: bfloat16 rounds 40 to a quarter."""


@dataclass(frozen=True)
class Expected:
    """A prompt, two answers, and their log-probabilities from the model's own forward pass."""

    family: Family
    logprobs: Tensor
    largest_logit: float
    gap: float
    """By how much the answers differ in what they say of their prompt."""

    def compare(self, policy: Policy) -> None:
        """Raise ModelError if the policy's row says anything else, or its attention is not told all."""
        row, name = pack([self.family]), type(policy.model).__name__
        with torch.no_grad():
            packed, _ = policy.logprobs(row)
        worst = float((packed - self.logprobs).abs().max())
        dtype = policy.model.dtype
        allowed = self._allowed(dtype)
        if not worst <= allowed:
            raise ModelError(
                f"{name} gives other log-probabilities in a {'plain' if policy.plain else 'packed'} row: "
                f"they differ by {worst:.2g}, {allowed:g} is allowed",
                "its attention or its head does something a row cannot know of",
            )
        windows = has_windows(policy.model.config.get_text_config())
        if windows and not policy.plain and not _told(policy, row):
            raise ModelError(
                f"{name} has sliding windows, and does not tell its attention",
                "a packed row would see more than the model does",
            )

    def check_causal(self, model: PreTrainedModel) -> None:
        """Raise ModelError where what comes later changes what a model says of a prompt."""
        if self.gap <= self._allowed(model.dtype):
            return
        raise ModelError(
            f"{type(model).__name__} is no causal language model: it sees the tokens that it is to predict",
            "use a decoder-only model",
        )

    def _allowed(self, dtype: torch.dtype) -> float:
        last_place = torch.finfo(dtype).eps * self.largest_logit
        return max(TOLERANCE[dtype], LAST_PLACES * last_place)


def _told(policy: Policy, row: Row) -> int:
    """The shortest window that the policy's layers tell their attention of; 0: none."""
    told = Told(Packed(row, policy.device))
    with torch.no_grad():
        policy.hidden(
            torch.from_numpy(row.tokens).to(policy.device),
            torch.from_numpy(row.positions).to(policy.device),
            told,
        )
    return told.window


class Told:
    """A layout that notes the shortest window which it is told of; 0: none."""

    takes_all = False

    def __init__(self, packed: Packed) -> None:
        self._packed, self.longest, self.window = packed, packed.longest, 0

    def attend(
        self,
        layer: int,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        *,
        scale: float,
        window: int,
        bent: Bent | None = None,
    ) -> Tensor:
        """See attention.Layout."""
        self.window = min(filter(None, (self.window, window)), default=0)
        return self._packed.attend(layer, query, key, value, scale=scale, window=window, bent=bent)


def has_windows(config: Any) -> bool:
    """Whether some of a model's layers see only so many tokens back, by its configuration."""
    kinds = getattr(config, "layer_types", None)
    if kinds is not None:
        return "sliding_attention" in kinds
    return bool(getattr(config, "sliding_window", None))


def probe(model: PreTrainedModel, vocabulary: int) -> Expected:
    """What the model itself says of its first `vocabulary` tokens, before Cohort takes it over."""
    ids = np.random.Generator(np.random.Philox(key=7)).integers(0, vocabulary, 11).astype(np.int32)
    prompt, answers = ids[:4], (ids[4:9], ids[9:])
    family = Family(prompt, tuple(Member(a, o) for a, o in zip(answers, (0, 5), strict=True)))
    parts, prompts, largest = [], [], 0.0
    with torch.no_grad():
        for answer in answers:
            row = torch.from_numpy(np.concatenate((prompt, answer)).astype(np.int64))[None]
            logits = model(input_ids=row.to(model.device), use_cache=False).logits[0].float()
            logits = logits[:, :vocabulary]
            largest = max(largest, float(logits.abs().max()))
            prompts.append(logits[: len(prompt)].log_softmax(-1))
            predicted = logits[len(prompt) - 1 : -1].log_softmax(-1)
            targets = row[0, len(prompt) :].to(model.device)
            parts.append(predicted.gather(1, targets[:, None])[:, 0])
    gap = float((prompts[0] - prompts[1]).abs().max())
    return Expected(family, torch.cat(parts), largest, gap)
