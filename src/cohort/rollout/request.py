"""What the sampler is asked for: prompts, and how to answer them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohort.data import keyed


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt to answer: its name in messages, its tokens [p], and the key of its randomness."""

    name: str
    prompt: NDArray[np.int32]
    key: tuple[keyed.Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How to sample. `greedy` takes the likeliest token and draws nothing.

    temperatures: of the answers of a group in turn; one for all, or as many as one likes.
    slots: answers side by side; 0: as many as suit the device. compiled: attention of decode steps goes
    through torch.compile, where steps have fixed shapes.
    """

    rollouts_per_prompt: int
    max_new_tokens: int
    temperatures: tuple[float, ...] = (1.0,)
    greedy: bool = False
    slots: int = 0
    compiled: bool = False
