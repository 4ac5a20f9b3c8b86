"""The sampler's memory: keys and values of prompts, one copy a group, and of answers, one lane each.

Everything is allocated once per call. Live answers are always lanes 0 to live-1 and live prompts
always places 0 to n-1: when one leaves, the last one moves into its place. So every tensor of a
decode step is a view. What changes only when an answer comes or goes is worked out then.

    H key-value heads, D head width.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cohort.policy.native import whole_blocks


@dataclass(slots=True)
class _Prompt:
    request: int
    length: int
    unfinished: int


@dataclass(slots=True)
class _Answer:
    request: int
    member: int
    born: int


@dataclass(frozen=True, slots=True)
class Finished:
    """What a lane held when it was freed: tokens int32 [n], log-probabilities float32 [n]."""

    request: int
    member: int
    tokens: NDArray[np.int32]
    logprobs: NDArray[np.float32]


@dataclass(slots=True)
class Cache:
    """Keys and values per layer, [count, H, length, D] each, allocated at a layer's first use.

    On the CPU they are float32 whatever the weights are: its kernels are faster so, and more exact.
    """

    count: int
    length: int
    turned: bool = False
    """Keys lie as [count, H, D, length] in memory, as the compiled kernels read them."""
    layers: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def layer(self, index: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """The layer's keys and values; `like` [T, H, D] gives heads, width and type."""
        if index not in self.layers:
            # Zeros, not empty: padded values meet weights of exactly 0, and 0 * NaN is NaN.
            shape = (self.count, like.shape[1], self.length, like.shape[2])
            dtype = torch.float32 if like.device.type == "cpu" else like.dtype
            keys, values = (like.new_zeros(shape, dtype=dtype) for _ in range(2))
            if self.turned:
                keys = keys.view(*shape[:2], shape[3], shape[2]).transpose(2, 3)
            self.layers[index] = keys, values
        return self.layers[index]

    def move(self, source: int, target: int, used: int) -> None:
        """Copy one entry over another, its first `used` positions."""
        for keys, values in self.layers.values():
            keys[target, :, :used] = keys[source, :, :used]
            values[target, :, :used] = values[source, :, :used]


class Slots:
    """Lanes for answers and places for prompts. Counts are of tokens."""

    def __init__(
        self,
        *,
        lanes: int,
        prompts: int,
        longest_prompt: int,
        longest_answer: int,
        device: torch.device,
        native: bool = False,
    ) -> None:
        self.native = native
        """Decode steps go through compiled kernels."""
        self.lanes, self._places = lanes, prompts
        self._device = device
        self.longest = longest_prompt + longest_answer
        """No sequence here has more positions."""
        self.prefix = Cache(prompts, whole_blocks(longest_prompt), turned=native)
        self.suffix = Cache(lanes, whole_blocks(longest_answer), turned=native)
        self.clock = 0
        """Decode steps since the beginning."""
        self.version = 0
        """Changes whenever an answer or a prompt comes, goes or moves."""
        self._prompts: list[_Prompt] = []
        self._answers: list[_Answer] = []
        self._place_of: dict[int, int] = {}
        self._tokens = torch.zeros(lanes, longest_answer, dtype=torch.long, device=device)
        self._logprobs = torch.zeros(lanes, longest_answer, device=device)
        self._uniforms = torch.zeros(lanes, longest_answer, dtype=torch.float64, device=device)
        self._length = torch.zeros(lanes, dtype=torch.long, device=device)
        self._limit = torch.zeros(lanes, dtype=torch.long, device=device)
        self._offset = torch.zeros(lanes, dtype=torch.long, device=device)
        self._temperature = torch.ones(lanes, device=device)
        self._first: Tensor | None = None
        self.index = torch.arange(lanes, device=device)
        """0, 1, ... lanes - 1, of which decode steps take views."""
        self.steps = torch.arange(longest_answer, device=device)
        """0, 1, ... longest_answer - 1, likewise."""

    def caches(self, layer: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """A layer's keys and values of prompts, and of answers; `like` as in Cache.layer."""
        return *self.prefix.layer(layer, like), *self.suffix.layer(layer, like)

    @property
    def live(self) -> int:
        """Answers that are being sampled."""
        return len(self._answers)

    @property
    def lengths(self) -> Tensor:
        """Tokens sampled so far by each live answer: [live]."""
        return self._length[: self.live]

    @property
    def offsets(self) -> Tensor:
        """The length of each live answer's prompt: [live]."""
        return self._offset[: self.live]

    def answer_lengths(self) -> list[int]:
        """The same as `lengths`, from the first token on, without asking the device."""
        return [self.clock - answer.born + 1 for answer in self._answers]

    def prompt_lengths(self) -> list[int]:
        """The length of each live prompt, by place."""
        return [prompt.length for prompt in self._prompts]

    def places(self) -> list[int]:
        """The place of each live answer's prompt."""
        return [self._place_of[answer.request] for answer in self._answers]

    def place(self, request: int, length: int, *, answers: int) -> tuple[int, bool]:
        """The place of a request's prompt, and whether it was given one just now.

        It is kept until `answers` answers have been released.
        """
        if request in self._place_of:
            return self._place_of[request], False
        place = len(self._prompts)
        assert place < self._places, f"{place} prompts are live, more than there are places"
        self._prompts.append(_Prompt(request, length, answers))
        self._place_of[request] = place
        return place, True

    def occupy(
        self,
        request: int,
        member: int,
        *,
        limit: int,
        temperature: float,
        draws: NDArray[np.float64] | None,
    ) -> None:
        """Give an answer the next lane; `draws` are its uniforms, None when it is greedy."""
        lane, prompt = self.live, self._prompts[self._place_of[request]]
        self._answers.append(_Answer(request, member, self.clock))
        self._length[lane], self._limit[lane], self._offset[lane] = 0, limit, prompt.length
        self._temperature[lane] = temperature
        if draws is not None:
            self._uniforms[lane, :limit] = torch.from_numpy(draws)
        self.version += 1

    def keep_first_hidden(self, places: list[int], hidden: Tensor) -> None:
        """Remember the last hidden state of prompts, from which every first token is sampled."""
        if self._first is None:
            self._first = hidden.new_zeros(self._places, hidden.shape[-1])
        self._first[torch.tensor(places, device=self._device)] = hidden

    def first_hidden(self, fresh: int) -> Tensor:
        """That state for the last `fresh` lanes, which have no token yet: [fresh, d]."""
        assert self._first is not None, "no prompt was computed"
        return self._first[torch.tensor(self.places()[-fresh:], device=self._device)]

    def uniforms(self, lanes: Tensor) -> Tensor:
        """The uniform that belongs to the next token of each lane: float64 [k]."""
        return self._uniforms[lanes, self._length[lanes]]

    def temperatures(self, lanes: Tensor) -> Tensor:
        """What each lane is sampled with: [k]."""
        return self._temperature[lanes]

    def latest_tokens(self) -> Tensor:
        """The token each live answer sampled last: [live]."""
        return self._tokens[self.index[: self.live], self.lengths - 1]

    def append(self, lanes: Tensor, tokens: Tensor, logprobs: Tensor) -> Tensor:
        """Store sampled tokens; says for each lane whether it is at its limit: bool [k]."""
        at = self._length[lanes]
        self._tokens[lanes, at] = tokens
        self._logprobs[lanes, at] = logprobs
        self._length[lanes] = at + 1
        return at + 1 >= self._limit[lanes]

    def release(self, lane: int) -> Finished:
        """Free a lane, and its prompt's place when no other answer needs it."""
        answer, length = self._answers[lane], int(self._length[lane])
        finished = Finished(
            answer.request,
            answer.member,
            self._tokens[lane, :length].cpu().numpy().astype(np.int32),
            self._logprobs[lane, :length].cpu().numpy().copy(),
        )
        self._close_lane(lane)
        prompt = self._prompts[self._place_of[answer.request]]
        prompt.unfinished -= 1
        if not prompt.unfinished:
            self._close_place(self._place_of.pop(answer.request))
        self.version += 1
        return finished

    def _close_lane(self, lane: int) -> None:
        last = self._answers.pop()
        source = len(self._answers)
        if lane == source:
            return
        self._answers[lane] = last
        for tensor in (self._tokens, self._logprobs, self._uniforms):
            tensor[lane] = tensor[source]
        for tensor in (self._length, self._limit, self._offset, self._temperature):
            tensor[lane] = tensor[source]
        self.suffix.move(source, lane, int(self._length[lane]))

    def _close_place(self, place: int) -> None:
        last = self._prompts.pop()
        source = len(self._prompts)
        if place == source:
            return
        self._prompts[place] = last
        self._place_of[last.request] = place
        assert self._first is not None, "no prompt was computed"
        self._first[place] = self._first[source]
        self.prefix.move(source, place, last.length)
