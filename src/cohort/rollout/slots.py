"""The sampler's memory: keys and values of prompts, one copy a group, and of answers, one lane each.

Everything is allocated once per call. Live answers are always lanes 0 to live-1 and live prompts
always places 0 to n-1: when one leaves, the last one moves into its place. So every tensor of a
decode step is a view. What changes only when an answer comes or goes is worked out then.

    H key-value heads, D head width, as in `caches`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cohort.policy.native import whole_blocks
from cohort.rollout.caches import Cache


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

    def after(self, earlier: Finished) -> Finished:
        """The same with what came before it."""
        return Finished(
            earlier.request,
            earlier.member,
            np.concatenate((earlier.tokens, self.tokens)),
            np.concatenate((earlier.logprobs, self.logprobs)),
        )


@dataclass(frozen=True, slots=True)
class Lifted:
    """An answer that was taken out of its lane and goes on later: all that its lane held.

    Its prompt keeps its place. by_token: [lane's tensors], each cut to what can still count.
    caches: keys and values per layer, [H, length, D].
    """

    request: int
    member: int
    length: int
    limit: int
    temperature: float
    tokens: Tensor
    logprobs: Tensor
    uniforms: Tensor
    caches: dict[int, tuple[Tensor, Tensor]]

    def finished(self) -> Finished:
        """What it has so far."""
        tokens = self.tokens.cpu().numpy().astype(np.int32)
        return Finished(self.request, self.member, tokens, self.logprobs.cpu().numpy())


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
        shown: bool = False,
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
        # What answers are shown instead of sampling it, by place; -1 where they sample.
        shape = (lanes, longest_answer) if shown else (0, 0)
        self._shown = torch.full(shape, -1, dtype=torch.long, device=device)
        self._shows = shown
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
        if self._shows:
            self._shown[lane] = -1
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

    def tail(self, lane: int, most: int) -> NDArray[np.int32]:
        """The last tokens of a lane's answer, `most` of them or all: int32 [n]."""
        end = int(self._length[lane])
        return self._tokens[lane, max(0, end - most) : end].cpu().numpy().astype(np.int32)

    def append(self, lanes: Tensor, tokens: Tensor, logprobs: Tensor) -> Tensor:
        """Store sampled tokens; says for each lane whether it is at its limit: bool [k]."""
        at = self._length[lanes]
        self._tokens[lanes, at] = tokens
        self._logprobs[lanes, at] = logprobs
        self._length[lanes] = at + 1
        return at + 1 >= self._limit[lanes]

    def instead(self, lanes: Tensor) -> Tensor | None:
        """The token that each lane is shown next, -1 where it samples: [k]; None if none ever is."""
        return self._shown[lanes, self._length[lanes]] if self._shows else None

    def lift(self, lane: int) -> Lifted:
        """Take an answer out of its lane, to go on later; the lane is free, its prompt stays."""
        answer, length = self._answers[lane], int(self._length[lane])
        lifted = Lifted(
            request=answer.request,
            member=answer.member,
            length=length,
            limit=int(self._limit[lane]),
            temperature=float(self._temperature[lane]),
            tokens=self._tokens[lane, :length].clone(),
            logprobs=self._logprobs[lane, :length].clone(),
            uniforms=self._uniforms[lane].clone(),
            # The latest token was not fed in yet, so it has no keys.
            caches=self.suffix.take(lane, length - 1),
        )
        self._close_lane(lane)
        self.version += 1
        return lifted

    def lower(self, lifted: Lifted, shown: NDArray[np.int32]) -> None:
        """Give an answer that was lifted the next lane; it is shown these tokens before it samples."""
        lane, length = self.live, lifted.length
        # As many steps ago as it has tokens it would have begun, had it stayed.
        self._answers.append(_Answer(lifted.request, lifted.member, self.clock + 1 - length))
        prompt = self._prompts[self._place_of[lifted.request]]
        self._length[lane], self._limit[lane], self._offset[lane] = (
            length, lifted.limit, prompt.length,
        )  # fmt: skip
        self._temperature[lane] = lifted.temperature
        self._tokens[lane, :length] = lifted.tokens
        self._logprobs[lane, :length] = lifted.logprobs
        self._uniforms[lane] = lifted.uniforms
        self._shown[lane] = -1
        self._shown[lane, length : length + len(shown)] = torch.from_numpy(shown.astype(np.int64))
        self.suffix.put(lane, lifted.caches)
        self.version += 1

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
        self.answered(answer.request)
        return finished

    def answered(self, request: int) -> None:
        """One answer less needs the prompt of this request; its place is freed after the last."""
        prompt = self._prompts[self._place_of[request]]
        prompt.unfinished -= 1
        if not prompt.unfinished:
            self._close_place(self._place_of.pop(request))
        self.version += 1

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
        if self._shows:
            self._shown[lane] = self._shown[source]
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
