"""The native sampler: groups of answers from the very weights that training updates.

A prompt is computed once per group and its keys and values are kept once per group. Answers live in
preallocated slots; a finished one leaves, and the next waiting one takes its place. An answer's
token t uses the t-th uniform of that answer's own generator, by inverse transform, so neither the
number of slots nor the order of the problems can change it. Log-probabilities come with the tokens.

Answers of several turns leave their lane at the end of each, with their keys and values, and come back
with what they are to be shown: it goes through the same decode steps as what they sample. Meanwhile their
lane is another's, so nobody waits for a slow environment but the answer that asked it. An answer whose
context was written anew goes on as if that were its prompt; the lanes of others never learn of it.

It refuses prompts that leave no room for a token. Nothing is differentiated here.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cohort.data import keyed
from cohort.data.packing import Family, pack
from cohort.data.records import Rollout, StopReason
from cohort.errors import DataError, ModelError
from cohort.policy.policy import Policy
from cohort.rollout.choice import drawn, likeliest
from cohort.rollout.decode import Decoding, Prefilling, Stepping
from cohort.rollout.group_round import GroupRound
from cohort.rollout.plain_round import plain_round
from cohort.rollout.request import Conversation, Reply, Request, Sampling
from cohort.rollout.slots import Finished, Lifted, Slots
from cohort.rollout.stops import Stops

Progress = Callable[[int, int], None]
"""Told how many answers are finished, and of how many."""
SLOTS = {"cpu": 64}
"""Answers side by side where none are asked for; 256 elsewhere."""


def sample(
    policy: Policy,
    requests: Sequence[Request],
    sampling: Sampling,
    *,
    progress: Progress | None = None,
    conversation: Conversation | None = None,
) -> list[list[Rollout]]:
    """`rollouts_per_prompt` answers to each request, in the order of the requests.

    With a conversation an end token ends a turn, and the answer goes on as it says. `max_new_tokens` is
    of all tokens of an answer then, shown ones included; it always ends with a sampled one. Raises
    DataError for a prompt that is as long as the model's context.
    """
    for request in requests:
        if len(request.prompt) >= policy.context:
            raise DataError(
                f"the prompt of problem {request.name!r} has {len(request.prompt)} tokens and the "
                f"model's context is {policy.context}",
                "shorten the prompt, or use a model with a longer context",
            )
    if not requests:
        return []
    told = progress or (lambda done, total: None)
    sampling = replace(sampling, slots=sampling.slots or SLOTS.get(policy.device.type, 256))
    if policy.plain:
        if conversation is not None:
            raise ModelError(
                f"answers of several turns go on from what they have, and {policy.plain}",
                "use a model whose answers share their prompt",
            )
        with torch.inference_mode():
            return plain_round(policy, requests, sampling, told)
    asked = sampling.compiled or policy.device.type == "cuda"
    by_groups = asked and policy.steps_have_fixed_shapes
    with torch.inference_mode(), policy.packed():
        if by_groups and conversation is None and not sampling.stop:
            return GroupRound(policy, requests, sampling, told).run()
        return _Round(policy, requests, sampling, told, conversation).run()


@dataclass(frozen=True, slots=True)
class _Entering:
    """An answer that waits for a lane: the request that its prompt has in the slots, and that prompt.

    begun: how many tokens it has already, from before its context was written anew.
    """

    request: int
    member: int
    prompt: NDArray[np.int32]
    begun: int = 0


class _Round:
    """One call of `sample`: who waits, who is in which slot, and who is done."""

    def __init__(
        self,
        policy: Policy,
        requests: Sequence[Request],
        sampling: Sampling,
        progress: Progress,
        conversation: Conversation | None,
    ) -> None:
        self._policy, self._requests, self._sampling = policy, requests, sampling
        self._progress, self._conversation = progress, conversation
        self._away: dict[tuple[int, int], Lifted] = {}
        self._back: deque[tuple[Lifted, NDArray[np.int32]]] = deque()
        self._waiting = deque(
            _Entering(number, member, request.prompt)
            for number, request in enumerate(requests)
            for member in range(sampling.rollouts_per_prompt)
        )
        self._afresh: deque[_Entering] = deque()
        self._numbers = itertools.count(len(requests))
        # Of answers whose context was written anew: who they are, and what they have from before.
        self._earlier: dict[int, Finished] = {}
        self._total = len(self._waiting)
        self._done: dict[tuple[int, int], Rollout] = {}
        self._room = min(sampling.max_new_tokens, policy.context - 1)
        rewritten = conversation.context_tokens if conversation else 0
        longest_prompt = max([rewritten, *(len(request.prompt) for request in requests)])
        self._panels = policy.panels(longest_prompt + self._room)
        self._slots = Slots(
            native=self._panels is not None,
            lanes=min(sampling.slots, self._total),
            # An answer that is away keeps its prompt, but not a context that was written anew.
            prompts=len(requests) + sampling.slots * bool(rewritten)
            if conversation
            else min(sampling.slots, len(requests)),
            longest_prompt=longest_prompt,
            longest_answer=self._room,
            device=policy.device,
            shown=conversation is not None,
        )
        self._heated = any(temperature != 1.0 for temperature in sampling.temperatures)
        self._ends = torch.tensor(sorted(policy.ends), device=policy.device)
        self._stops = Stops(policy, sampling.stop) if sampling.stop else None
        self._layout: Decoding | Stepping | None = None

    def run(self) -> list[list[Rollout]]:
        slots = self._slots
        while self._waits or slots.live or self._away:
            self._hear()
            while (self._afresh or self._waiting) and slots.live < slots.lanes:
                fresh = self._admit()
                lanes = slots.index[slots.live - fresh : slots.live]
                self._append(lanes, slots.first_hidden(fresh))
            if slots.live:
                self._append(slots.index[: slots.live], self._decode())
        members = range(self._sampling.rollouts_per_prompt)
        return [[self._done[r, m] for m in members] for r in range(len(self._requests))]

    def _hear(self) -> None:
        """Answers whose environment has replied take free lanes again; those that are over are done."""
        if self._conversation is None:
            return
        idle = not (self._slots.live or self._waits)
        for reply in self._conversation.replies(wait=idle and bool(self._away)):
            self._take(reply, self._away.pop((reply.request, reply.member)))
        while self._back and self._slots.live < self._slots.lanes:
            self._slots.lower(*self._back.popleft())

    @property
    def _waits(self) -> bool:
        """Whether an answer could be sampled if there were a lane for it."""
        return bool(self._waiting or self._back or self._afresh)

    def _take(self, reply: Reply, lifted: Lifted) -> None:
        """An answer goes on as its environment says, or is over."""
        so_far, stop = self._so_far(lifted.finished()), reply.stop
        if stop is None and not self._has_room(reply, lifted, len(so_far.tokens)):
            stop = "length"
        if stop is None and reply.context is None:
            self._back.append((lifted, reply.shown))
            return
        if lifted.request not in self._earlier:
            self._slots.answered(lifted.request)
        if stop is not None:
            self._done_with(lifted.finished(), stop)
            return
        assert reply.context is not None, "an answer that goes on from nothing"
        self._earlier.pop(lifted.request, None)
        own = next(self._numbers)
        self._earlier[own] = so_far
        self._afresh.append(_Entering(own, lifted.member, reply.context, len(so_far.tokens)))

    def _has_room(self, reply: Reply, lifted: Lifted, begun: int) -> bool:
        """A rollout ends with a token that was sampled: is there room for one after what is shown?"""
        if reply.context is None:
            return lifted.length + len(reply.shown) < lifted.limit
        return begun < self._room and len(reply.context) < self._policy.context

    def _so_far(self, piece: Finished) -> Finished:
        """All of an answer, of the piece of it that was sampled last."""
        earlier = self._earlier.get(piece.request)
        return piece if earlier is None else piece.after(earlier)

    def _admit(self) -> int:
        """Fill free lanes with waiting answers, computing prompts that are not there yet."""
        slots = self._slots
        fresh: list[tuple[int, NDArray[np.int32]]] = []
        before = slots.live
        while (self._afresh or self._waiting) and slots.live < slots.lanes:
            entering = (self._afresh or self._waiting).popleft()
            answers = 1 if entering.request in self._earlier else self._sampling.rollouts_per_prompt
            place, is_new = slots.place(entering.request, len(entering.prompt), answers=answers)
            if is_new:
                fresh.append((place, entering.prompt))
            self._occupy(entering)
        if fresh:
            self._prefill(fresh)
        return slots.live - before

    def _occupy(self, entering: _Entering) -> None:
        sampling, begun, member = self._sampling, entering.begun, entering.member
        earlier = self._earlier.get(entering.request)
        request = self._requests[entering.request if earlier is None else earlier.request]
        limit = min(self._room - begun, self._policy.context - len(entering.prompt))
        draws = None
        if not sampling.greedy:
            draws = keyed.uniforms(begun + limit, *request.key, member)[begun:]
        temperature = sampling.temperatures[member % len(sampling.temperatures)]
        self._slots.occupy(
            entering.request, member, limit=limit, temperature=temperature, draws=draws
        )

    def _prefill(self, entering: Sequence[tuple[int, NDArray[np.int32]]]) -> None:
        """One packed row with every entering prompt, each computed once for its whole group."""
        device = self._policy.device
        places = [place for place, _ in entering]
        row = pack([Family(prompt, ()) for _, prompt in entering])
        hidden = self._policy.hidden(
            torch.from_numpy(row.tokens).to(device),
            torch.from_numpy(row.positions).to(device),
            Prefilling(row, self._slots, places, device),
        )
        last = torch.from_numpy(row.prefix_starts + row.prefix_lengths - 1).to(device)
        self._slots.keep_first_hidden(places, hidden.index_select(0, last))

    def _decode(self) -> Tensor:
        """The hidden state after every live answer's latest token: [live, d]."""
        slots = self._slots
        if self._layout is None or self._layout.version != slots.version:
            panels = self._panels
            self._layout = Decoding(slots) if panels is None else Stepping(slots, panels)
        self._layout.advance()
        positions = slots.offsets + slots.lengths - 1
        hidden = self._policy.hidden(slots.latest_tokens(), positions, self._layout)
        slots.clock += 1
        return hidden

    def _append(self, lanes: Tensor, hidden: Tensor) -> None:
        """Sample the next token of these lanes from their hidden states; let the finished leave."""
        slots = self._slots
        tokens, logprobs = self._choose(lanes, self._policy.logits(hidden))
        shown = slots.instead(lanes)
        if shown is not None:
            tokens = torch.where(shown < 0, tokens, shown)
        ended = (tokens[:, None] == self._ends).any(-1)
        if shown is not None:
            ended &= shown < 0
        full = slots.append(lanes, tokens, logprobs)
        if self._stops is not None:
            said = self._stops.said(slots, lanes)
            ended |= said if shown is None else said & (shown < 0)
        finished = (ended | full).nonzero()[:, 0]
        # From the highest lane down, so that closing a gap never moves a lane still to be freed.
        for index in reversed(finished.tolist()):
            self._leave(int(lanes[index]), ended=bool(ended[index]))
        if len(finished):
            self._progress(len(self._done), self._total)

    def _choose(self, lanes: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        """The next token of each of these lanes, and its log-probability."""
        if self._sampling.greedy:
            return likeliest(logits)
        slots = self._slots
        heats, uniforms = slots.temperatures(lanes), slots.uniforms(lanes)
        return drawn(logits, heats, uniforms, heated=self._heated)

    def _leave(self, lane: int, *, ended: bool) -> None:
        """An answer is finished, or its turn is and somebody has to reply."""
        if self._conversation is None or not ended:
            self._done_with(self._slots.release(lane), "end" if ended else "length")
            return
        lifted = self._slots.lift(lane)
        if lifted.request in self._earlier:
            self._slots.answered(lifted.request)  # its context is nobody else's
        so_far = self._so_far(lifted.finished())
        self._away[so_far.request, so_far.member] = lifted
        self._conversation.spoke(
            so_far.request, so_far.member, so_far.tokens, logprobs=so_far.logprobs
        )

    def _done_with(self, piece: Finished, stop: StopReason) -> None:
        out = self._so_far(piece)
        self._earlier.pop(piece.request, None)
        policy, temperatures = self._policy, self._sampling.temperatures
        episode, logprobs = None, out.logprobs
        if self._conversation is not None:
            episode = self._conversation.episode(out.request, out.member, out.tokens, stop)
            logprobs = logprobs[episode.sampled]
        self._done[out.request, out.member] = Rollout(
            tokens=out.tokens,
            logprobs=logprobs,
            stop=stop,
            text=policy.text(out.tokens),
            version=policy.version,
            temperature=temperatures[out.member % len(temperatures)],
            episode=episode,
        )
