"""Sampling by whole groups: the device decodes some steps, then it is asked who is done.

For devices on which a question costs more than a step's kernels. What is sampled is what the other way
samples: an answer's tokens depend on its own uniforms alone. Texts are made while the device works.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cohort.data import keyed
from cohort.data.packing import Family, cut, pack
from cohort.data.records import Rollout
from cohort.policy.attention import Packed
from cohort.policy.policy import Policy
from cohort.rollout.graphs import recorded
from cohort.rollout.grouped import Choosing, Lanes, Shape
from cohort.rollout.request import Request, Sampling

STEPS = 16
"""Steps between two questions. An answer that ended is computed on for at most so many."""


@dataclass(slots=True)
class _Group:
    """A request whose answers are being sampled. tokens: what its longest answer has so far."""

    request: int
    limit: int
    tokens: int
    unfinished: set[int]


class GroupRound:
    """One call of `sample`, by whole groups."""

    def __init__(
        self,
        policy: Policy,
        requests: Sequence[Request],
        sampling: Sampling,
        progress: Callable[[int, int], None],
    ) -> None:
        self._policy, self._requests, self._sampling = policy, requests, sampling
        self._progress = progress
        self._members = sampling.rollouts_per_prompt
        self._waiting = deque(range(len(requests)))
        self._groups: list[_Group] = []
        self._done: dict[tuple[int, int], Rollout] = {}
        self._left: list[tuple[int, int, NDArray[np.int32], NDArray[np.float32]]] = []
        self._room = min(sampling.max_new_tokens, policy.context - 1)
        longest = max((len(request.prompt) for request in requests), default=1)
        shape = Shape(
            groups=max(1, min(sampling.slots // self._members, len(requests))),
            members=self._members,
            prompt=-(-longest // 64) * 64,
            answer=self._room,
        )
        heated = any(temperature != 1.0 for temperature in sampling.temperatures)
        self._choosing = Choosing(sampling.greedy, heated, sampling.compiled)
        self._step = recorded(policy, shape, self._choosing)
        self._lanes: Lanes = self._step.lanes
        self._lanes.alive.zero_()

    def run(self) -> list[list[Rollout]]:
        """The answers to every request, in order."""
        while self._waiting or self._groups:
            self._admit()
            self._advance()
            self._tell()  # of those that were done before; the device is at work meanwhile
            self._ask()
        self._tell()
        members = range(self._members)
        return [[self._done[r, m] for m in members] for r in range(len(self._requests))]

    def _admit(self) -> None:
        """Waiting requests take the room there is, and their answers a first token."""
        room = self._lanes.shape.groups - len(self._groups)
        entering = [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]
        families = [Family(self._requests[request].prompt, ()) for request in entering]
        start = 0
        for row in cut(families, tokens_per_row=self._policy.row_tokens(0)):
            self._prefill(entering[start : start + len(row)], row)
            start += len(row)

    def _prefill(self, entering: Sequence[int], families: Sequence[Family]) -> None:
        """Prompts of one packed row, each computed once, and the first token of all their answers."""
        first, device = len(self._groups), self._lanes.device
        places = torch.arange(first, first + len(entering), device=device)
        row = pack(families)
        hidden = self._policy.hidden(
            torch.from_numpy(row.tokens).to(device),
            torch.from_numpy(row.positions).to(device),
            Prompts(Packed(row, device), self._lanes, places),
        )
        last = torch.from_numpy(row.prefix_starts + row.prefix_lengths - 1).to(device)
        for request in entering:
            self._enter(request)
        logits = self._policy.logits(hidden.index_select(0, last))
        which = slice(first * self._members, len(self._groups) * self._members)
        self._choosing(self._lanes, which, logits.repeat_interleave(self._members, 0))

    def _enter(self, request: int) -> None:
        asked, lanes, sampling = self._requests[request], self._lanes, self._sampling
        limit = min(self._room, self._policy.context - len(asked.prompt))
        own = lanes.of_group(len(self._groups))
        lanes.length[own], lanes.alive[own] = 0, True
        lanes.limit[own], lanes.offset[own] = limit, len(asked.prompt)
        if not sampling.greedy:
            heats = sampling.temperatures
            heat = [heats[member % len(heats)] for member in range(self._members)]
            lanes.temperature[own] = torch.tensor(heat, device=lanes.device)
            draws = [keyed.uniforms(limit, *asked.key, member) for member in range(self._members)]
            lanes.uniforms[own, :limit] = torch.from_numpy(np.stack(draws)).to(lanes.device)
        self._groups.append(_Group(request, limit, 1, set(range(self._members))))

    def _advance(self) -> None:
        """Some steps; nothing is asked of the device."""
        left = max(group.limit - group.tokens for group in self._groups)
        steps = min(STEPS, left)
        longest = max(min(group.tokens + steps, group.limit) for group in self._groups)
        shape = self._step.rounded(len(self._groups), longest)
        for _ in range(steps):
            self._step(*shape)
        for group in self._groups:
            group.tokens = min(group.tokens + steps, group.limit)

    def _ask(self) -> None:
        """Wait for the device; take what is done, and close the groups of which nothing is left."""
        lanes, count = self._lanes, len(self._groups) * self._members
        state = torch.stack((lanes.length[:count], lanes.alive[:count].long())).cpu()
        lengths, alive = state[0].tolist(), state[1].tolist()
        done = [
            (number, member)
            for number, group in enumerate(self._groups)
            for member in sorted(group.unfinished)
            if not alive[number * self._members + member]
        ]
        if not done:
            return
        which = [number * self._members + member for number, member in done]
        index = torch.tensor(which, device=lanes.device)
        longest = max(lengths[lane] for lane in which)
        tokens = lanes.tokens[index, :longest].cpu().numpy().astype(np.int32)
        logprobs = lanes.logprobs[index, :longest].cpu().numpy()
        for (number, member), lane, own, theirs in zip(done, which, tokens, logprobs, strict=True):
            group, length = self._groups[number], lengths[lane]
            group.unfinished.remove(member)
            self._left.append((group.request, member, own[:length].copy(), theirs[:length].copy()))
        for number in reversed(range(len(self._groups))):
            if not self._groups[number].unfinished:
                self._close(number)

    def _close(self, number: int) -> None:
        """The last group takes the place of one that is done."""
        last = self._groups.pop()
        if number == len(self._groups):
            return
        self._groups[number] = last
        self._lanes.move(len(self._groups), number)

    def _tell(self) -> None:
        """Make rollouts of the answers that were taken."""
        policy, temperatures = self._policy, self._sampling.temperatures
        for request, member, tokens, logprobs in self._left:
            self._done[request, member] = Rollout(
                tokens=tokens,
                logprobs=logprobs,
                stop="end" if int(tokens[-1]) in policy.ends else "length",
                text=policy.text(tokens),
                version=policy.version,
                temperature=temperatures[member % len(temperatures)],
            )
        if self._left:
            self._progress(len(self._done), len(self._requests) * self._members)
        self._left = []


class Prompts:
    """The layout of prompts in one packed row, whose keys and values stay in the lanes' memory."""

    takes_all = False

    def __init__(self, packed: Packed, lanes: Lanes, places: torch.Tensor) -> None:
        self._packed, self._lanes, self._places = packed, lanes, places
        self.longest = packed.longest

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        *,
        scale: float,
        window: int,
    ) -> torch.Tensor:
        """See policy.attention.Layout."""
        block, caches = self._packed.prefix, self._lanes.prompts[layer]
        for cache, fresh in zip(caches, (key, value), strict=True):
            cache[self._places, :, : block.width] = block.take(fresh).to(cache.dtype)
        return self._packed.attend(layer, query, key, value, scale=scale, window=window)
