"""A check before training: are the log-probabilities of a shared row those of the model itself?

Two short answers to one prompt go through the model's own forward pass, padded to nothing and
alone, and afterwards through Cohort's packed row. Whatever a model does that a packed row cannot
know of (soft caps, scaled logits, layers with state) shows as a difference, and is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from cohort.data.packing import Family, Member, pack
from cohort.errors import ModelError
from cohort.policy.policy import Policy, embeddings

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

    def compare(self, policy: Policy) -> None:
        """Raise ModelError if the policy's packed row says anything else."""
        with torch.no_grad():
            packed, _ = policy.logprobs(pack([self.family]))
        worst = float((packed - self.logprobs).abs().max())
        dtype = policy.model.dtype
        last_place = torch.finfo(dtype).eps * self.largest_logit
        allowed = max(TOLERANCE[dtype], LAST_PLACES * last_place)
        if not worst <= allowed:
            raise ModelError(
                f"{type(policy.model).__name__} gives other log-probabilities in a packed row: they "
                f"differ by {worst:.2g}, {allowed:g} is allowed",
                "its attention or its head does something a packed row cannot know of",
            )


def probe(model: PreTrainedModel) -> Expected:
    """What the model itself says, before Cohort takes its attention over."""
    vocabulary = embeddings(model).shape[0]
    ids = np.random.Generator(np.random.Philox(key=7)).integers(0, vocabulary, 11).astype(np.int32)
    prompt, answers = ids[:4], (ids[4:9], ids[9:])
    family = Family(prompt, tuple(Member(a, o) for a, o in zip(answers, (0, 5), strict=True)))
    parts, largest = [], 0.0
    with torch.no_grad():
        for answer in answers:
            row = torch.from_numpy(np.concatenate((prompt, answer)).astype(np.int64))[None]
            logits = model(input_ids=row.to(model.device), use_cache=False).logits[0].float()
            largest = max(largest, float(logits.abs().max()))
            predicted = logits[len(prompt) - 1 : -1].log_softmax(-1)
            targets = row[0, len(prompt) :].to(model.device)
            parts.append(predicted.gather(1, targets[:, None])[:, 0])
    return Expected(family, torch.cat(parts), largest)
