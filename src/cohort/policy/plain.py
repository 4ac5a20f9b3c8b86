"""Rows of models in which answers cannot share their prompt: every answer with a prompt of its own.

The model's own forward pass does it, with its own attention or state, one sequence after the other. It is
slower by as many prompts as there are answers, and works for every causal model of transformers.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from cohort.data.packing import Row


def plain_states(model: PreTrainedModel, row: Row, device: torch.device) -> Tensor:
    """The last hidden state of every token of a packed row, as if nothing were shared: [T, d].

    A prompt's own states are those of its first answer's sequence; they are the same in all of them.
    """
    tokens = torch.from_numpy(row.tokens).to(device)
    prompts = [
        tokens[start : start + length]
        for start, length in zip(row.prefix_starts, row.prefix_lengths, strict=True)
    ]
    found: dict[int, Tensor] = {}
    answers = zip(row.suffix_starts, row.suffix_lengths, row.suffix_parent, strict=True)
    for start, length, parent in answers:
        prompt = prompts[parent]
        states = _states(model, torch.cat((prompt, tokens[start : start + length])))
        found.setdefault(int(row.prefix_starts[parent]), states[: len(prompt)])
        found[int(start)] = states[len(prompt) :]
    for start, prompt in zip(row.prefix_starts, prompts, strict=True):
        if int(start) not in found:
            found[int(start)] = _states(model, prompt)
    return torch.cat([found[start] for start in sorted(found)])


def _states(model: PreTrainedModel, tokens: Tensor) -> Tensor:
    out = model.base_model(input_ids=tokens[None], use_cache=False)
    return cast(Tensor, out[0][0])
