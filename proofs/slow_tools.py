"""A thousand episodes with slow tools: slots stay busy, nobody waits for another, order changes nothing.

    python -m proofs.slow_tools [--short]

Each episode has one to four turns, as many as what it says first decides, and after each its tool takes a
random time of up to two seconds. A small random model samples them in far fewer slots than there are
episodes; an answer whose tool is at work is in no slot.

*Busy* is the share of slots times time in which a decode step computes a token of an answer in that slot,
over the whole run, the end included, when fewer episodes are left than there are slots. By a clock that is
advanced (a decode step takes 20 ms, and a tool what was drawn for it) and by the real one (tools are threads
that sleep), where all that is not a decode step counts as idle. It held when

- slots are at least 85 % busy by both clocks;
- at no step a slot is free while an episode wants one;
- tools of two seconds in one group let no other group finish later than without them, by more than one
  such wait, and on average by less than a tenth of a second;
- tokens, log-probabilities and rewards are the same bits with other delays, other numbers of slots, tools
  that are asked fewer at a time, and by the other clock.

What a sampler would do that waits for all slots' tools after each turn is printed beside it.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cohort.config.recipe import NewModel
from cohort.data import keyed
from cohort.data.records import Episode, Problem, Rollout, StopReason
from cohort.policy import native
from cohort.policy.attention import Layout
from cohort.policy.new import new_model, new_tokenizer
from cohort.policy.policy import Policy
from cohort.rollout.decode import Decoding, Stepping
from cohort.rollout.environments import Observed, Spoken
from cohort.rollout.episodes import Episodes, Limits
from cohort.rollout.request import Reply, Request, Sampling
from cohort.rollout.sampler import sample
from cohort.rollout.voice import Voice
from proofs.command import main

PROBLEMS, MEMBERS, FEW = 125, 8, 25
"""Of the whole; and the first problems, where fewer are enough."""
LEAST_BUSY = 0.85
STEP_SECONDS = 0.02
"""Of a decode step by the clock that is advanced."""
MODEL = NewModel(hidden=256, layers=6, heads=4, key_value_heads=2, feed_forward=512, context=640)
SMALL = NewModel(hidden=64, layers=2, heads=4, key_value_heads=2, feed_forward=128, context=640)

Delay = Callable[[int, int, int], float]
"""Seconds that the tool of a request's member takes after a turn."""


class Meter(Policy):
    """A policy that counts what its decode steps compute, and how long they take."""

    steps = 0
    live = 0
    began: float | None = None
    watch: Callable[[int], None]
    """Told how many answers a decode step is about to compute a token of."""

    def hidden(self, tokens: Tensor, positions: Tensor, layout: Layout) -> Tensor:
        """See Policy.hidden."""
        if isinstance(layout, Stepping | Decoding):
            self.steps, self.live, self.began = self.steps + 1, len(tokens), time.perf_counter()
            self.watch(self.live)
        return super().hidden(tokens, positions, layout)


class Slow:
    """Has as many turns as the first one decides, one to four; its tool takes a while after each."""

    def __init__(self, delay: Callable[[str], float] | None = None) -> None:
        self._delay, self.quick = delay, delay is None

    def reset(self, problem: Problem, seed: int) -> str:
        """The problem as it is."""
        assert isinstance(problem.prompt, str), problem.prompt
        return problem.prompt

    def step(self, spoken: Spoken) -> Observed:
        """Two tokens and a reward, after a while."""
        number = int(hashlib.sha256(spoken.text.encode()).hexdigest()[:8], 16)
        if not spoken.number:
            self._turns = 1 + number % 4
        if self._delay is not None:
            time.sleep(self._delay(f"{spoken.number} {spoken.text}"))
        over = spoken.number + 1 >= self._turns
        return Observed("20 21", reward=number % 1000 / 1000, over=over)


@dataclass
class Busy:
    """Slots times time: what there was, and in how much of it a decode step computed."""

    slots: int
    worked: float = 0.0
    seconds: float = 0.0

    @property
    def share(self) -> float:
        """How busy they were."""
        return self.worked / (self.slots * self.seconds) if self.seconds else 0.0


@dataclass
class Watched:
    """A conversation, and who of it wants a slot. With delays it has a clock that is advanced, and holds
    back what quick environments say; without, the environments take the time themselves."""

    inner: Episodes
    meter: Meter
    total: int
    slots: int
    delay: Delay | None = None
    away: dict[tuple[int, int], int] = field(default_factory=dict)
    turns: dict[tuple[int, int], int] = field(default_factory=dict)
    finished: dict[tuple[int, int], float] = field(default_factory=dict)
    due: list[tuple[float, int, Reply]] = field(default_factory=list)
    idle: float = 0.0
    free_but_wanted: int = 0
    context_tokens: int = 0

    def __post_init__(self) -> None:
        self.meter.steps, self.meter.began, self.meter.watch = 0, None, self._watch
        self.whole, self.until_few = Busy(self.slots), Busy(self.slots)
        self._numbers, self._start = itertools.count(), time.perf_counter()

    @property
    def now(self) -> float:
        """Seconds since the beginning, by the clock that this run goes by."""
        if self.delay is None:
            return time.perf_counter() - self._start
        return self.meter.steps * STEP_SECONDS + self.idle

    def spoke(self, request: int, member: int, *told: NDArray[np.generic], **more: object) -> None:
        """See request.Conversation."""
        answer = request, member
        self.turns[answer] = self.away[answer] = self.turns.get(answer, 0) + 1
        self.inner.spoke(request, member, *told, **more)  # type: ignore[arg-type]
        if self.delay is not None:
            seconds = self.delay(request, member, self.turns[answer])
            for reply in self.inner.replies(wait=False):
                heapq.heappush(self.due, (self.now + seconds, next(self._numbers), reply))

    def replies(self, *, wait: bool) -> list[Reply]:
        """See request.Conversation."""
        self._count_step()
        if self.delay is None:
            found = self.inner.replies(wait=wait)
        else:
            if wait and self.due:
                self.idle += max(0.0, self.due[0][0] - self.now)
            found = []
            while self.due and self.due[0][0] <= self.now + 1e-9:
                found.append(heapq.heappop(self.due)[2])
        for reply in found:
            del self.away[reply.request, reply.member]
        return found

    def episode(
        self, request: int, member: int, tokens: NDArray[np.int32], stop: StopReason
    ) -> Episode:
        """See request.Conversation."""
        self.finished[request, member] = self.whole.seconds = self.now
        return self.inner.episode(request, member, tokens, stop)

    def _watch(self, live: int) -> None:
        """Whether a slot is free though an episode wants one."""
        wanting = self.total - len(self.away) - len(self.finished)
        self.free_but_wanted += live < min(self.slots, wanting)

    def _count_step(self) -> None:
        """What the last decode step did."""
        meter = self.meter
        if meter.began is None:
            return
        took = time.perf_counter() - meter.began if self.delay is None else STEP_SECONDS
        meter.began = None
        self.whole.worked += meter.live * took
        if self.total - len(self.finished) >= self.slots:
            self.until_few = Busy(self.slots, self.whole.worked, self.now)


@dataclass(frozen=True)
class Ran:
    """What a run gave, and how it went."""

    rollouts: list[Rollout]
    watched: Watched

    @property
    def bits(self) -> list[tuple[object, ...]]:
        """Everything that must not depend on who was first."""
        return [
            (r.tokens.tobytes(), r.logprobs.tobytes(), r.stop, r.episode and r.episode.turns)
            for r in self.rollouts
        ]


def run(
    policy: Meter,
    problems: Sequence[Problem],
    slots: int,
    *,
    delay: Delay | None = None,
    sleep: Callable[[str], float] | None = None,
    at_once: int = 64,
) -> Ran:
    """Episodes of these problems, with a clock that is advanced or with tools that sleep."""
    episodes = Episodes(
        lambda: Slow(sleep),
        problems,
        members=MEMBERS,
        voice=Voice(policy),
        limits=Limits(turn_seconds=60.0),
        key=(1,),
        at_once=at_once,
    )
    total = MEMBERS * len(problems)
    watched = Watched(episodes, policy, total, slots, delay)
    requests = [Request(p.id, policy.prompt_tokens(p), (1, p.id)) for p in problems]
    sampling = Sampling(rollouts_per_prompt=MEMBERS, max_new_tokens=600, slots=slots)
    groups = sample(policy, requests, sampling, conversation=watched)
    return Ran([rollout for group in groups for rollout in group], watched)


def drawn(salt: str, longest: float) -> Delay:
    """Random times of tools, the same for the same salt."""
    return lambda *answer: longest * float(keyed.uniforms(1, salt, *answer)[0])


def slept(salt: str, longest: float) -> Callable[[str], float]:
    """The same for tools that sleep, by what was said."""
    return lambda said: longest * float(keyed.uniforms(1, salt, said)[0])


def in_lock_step(ran: Ran, delay: Delay) -> float:
    """How busy the same slots would be, if all of them waited for their slowest tool after each turn."""
    slots, answers = ran.watched.slots, list(np.ndindex(len(ran.rollouts) // MEMBERS, MEMBERS))
    tokens, seconds = 0, 0.0
    for first in range(0, len(answers), slots):
        taken = [ran.rollouts[n].episode for n in range(first, min(first + slots, len(answers)))]
        turns = [one.turns if one else () for one in taken]
        for k in range(max(map(len, turns))):
            lengths = [own[k].sampled + own[k].observed for own in turns if k < len(own)]
            waits = [
                delay(*answers[first + n], k + 1) for n, own in enumerate(turns) if k < len(own)
            ]
            tokens += sum(lengths)
            seconds += max(lengths) * STEP_SECONDS + max(waits)
    return tokens * STEP_SECONDS / (slots * seconds)


def finish(ran: Ran) -> NDArray[np.float64]:
    """When each group was finished."""
    ends = ran.watched.finished
    count = len(ran.rollouts) // MEMBERS
    return np.array([max(ends[g, m] for m in range(MEMBERS)) for g in range(count)])


def shown(ran: Ran) -> dict[str, object]:
    """A run's figures."""
    watched = ran.watched
    return {
        "slots": watched.slots,
        "busy": round(watched.whole.share, 4),
        "busy until fewer episodes were left than slots": round(watched.until_few.share, 4),
        "seconds by its clock": round(watched.whole.seconds, 1),
        "steps at which a slot was free though an episode wanted one": watched.free_but_wanted,
    }


def prove(short: bool, seed: int) -> dict[str, object]:
    """All of it."""
    torch.set_num_threads(1)
    count, few, longest, slots = (8, 3, 0.05, 4) if short else (PROBLEMS, FEW, 2.0, 16)
    vocabulary = [str(n) for n in range(40)]
    tokenizer = new_tokenizer(vocabulary)
    policy = Meter(new_model(SMALL if short else MODEL, tokenizer, seed), tokenizer)
    draws = np.random.default_rng(seed).integers(0, 40, size=(count, 6))
    problems = [Problem(str(n), " ".join(map(str, line))) for n, line in enumerate(draws)]
    first = problems[:few]
    delay = drawn("one", longest)
    advanced = run(policy, problems, slots, delay=delay)
    real = run(policy, problems, 4 if short else 8, sleep=slept("one", longest), at_once=128)
    others = {
        "other delays and twice the slots": run(
            policy, problems, 2 * slots, delay=drawn("other", longest)
        ),
        "tools that sleep": real,
        "tools asked 16 at a time": run(
            policy, first, slots, sleep=slept("other", 0.1 * longest), at_once=16
        ),
        "tools that take no time": run(policy, first, 5, delay=lambda *_: 0.0),
    }
    slow = run(policy, first, slots, delay=lambda request, *_: 2.0 * (request == 0))
    late = (finish(slow) - finish(run(policy, first, slots, delay=lambda *_: 0.0)))[1:]
    cases = {
        "busy by the clock that is advanced": advanced.watched.whole.share >= LEAST_BUSY,
        # The end of a short run is much of it.
        **({} if short else {"busy by the real clock": real.watched.whole.share >= LEAST_BUSY}),
        "no free slot that is wanted": not any(
            one.watched.free_but_wanted for one in (advanced, slow, *others.values())
        ),
        "no group waits for another's tools": bool(late.max() < 2.0 and late.mean() < 0.1),
        **{name: one.bits == advanced.bits[: len(one.bits)] for name, one in others.items()},
    }
    lengths = [len(r.episode.turns) for r in advanced.rollouts if r.episode]
    return {
        "name": "episodes whose tools are slow",
        "asked": len(cases),
        "held": sum(cases.values()),
        "episodes": len(advanced.rollouts),
        "turns": {str(n): lengths.count(n) for n in sorted(set(lengths))},
        "tokens": sum(len(r.tokens) for r in advanced.rollouts),
        "kernels": native.missing() or "compiled",
        "advanced clock": shown(advanced),
        "real clock": shown(real) | {"tools at once": 128},
        "busy in lock-step": round(in_lock_step(advanced, delay), 4),
        "later for another group's tools of 2 s": {
            "mean": round(float(late.mean()), 4),
            "most": round(float(late.max()), 4),
        },
        "failures": [name for name, held in cases.items() if not held],
    }


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
