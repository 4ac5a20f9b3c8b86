"""What the sampler is asked for: prompts, and how to answer them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cohort.data import keyed
from cohort.data.records import Episode, StopReason


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
    through torch.compile, where steps have fixed shapes. stop: texts that end an answer, or a turn, when it
    has said them.
    """

    rollouts_per_prompt: int
    max_new_tokens: int
    temperatures: tuple[float, ...] = (1.0,)
    greedy: bool = False
    slots: int = 0
    compiled: bool = False
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What comes of a turn of a request's member: tokens that it is shown before it goes on.

    stop: why the episode ends instead; then nothing is shown. context: what it goes on from, in the place
    of its prompt and all that it said, int32 [c].
    """

    request: int
    member: int
    shown: NDArray[np.int32]
    stop: StopReason | None = None
    context: NDArray[np.int32] | None = None


class Conversation(Protocol):
    """Who answers the turns of answers that have several. Members are numbered as in `sample`."""

    context_tokens: int
    """The most tokens of a context that a reply may have; 0: none has one."""

    def spoke(
        self, request: int, member: int, tokens: NDArray[np.int32], logprobs: NDArray[np.float32]
    ) -> None:
        """A turn ended; tokens: all of the answer so far, int32 [n], and the log-probability of each that
        was sampled. The reply comes later."""
        ...

    def replies(self, *, wait: bool) -> list[Reply]:
        """Those that came since the last time; at least one where it may wait, and one is to come."""
        ...

    def episode(
        self, request: int, member: int, tokens: NDArray[np.int32], stop: StopReason
    ) -> Episode:
        """The answer is finished: what it was beside its tokens."""
        ...
