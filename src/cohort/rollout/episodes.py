"""Episodes: who calls the environments, keeps each rollout's turns, and says what it is shown next.

Every rollout has an environment of its own. They are called side by side, each by a thread or as a
coroutine, and what they say is taken when it comes: which of them is first cannot change a rollout. A turn
that takes longer than its deadline, and whatever an environment raises or returns that is no answer, ends the
episode as a failure; a thread that hangs cannot be killed, so it is left behind and named.

`quick` environments, which say so themselves, never wait for anything and are called where the sampler is.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cohort.data import keyed
from cohort.data.records import Episode, Problem, StopReason, Turn
from cohort.errors import DataError, ModelError
from cohort.rewards.outcome import Failed
from cohort.rollout.calling import Calling, settled
from cohort.rollout.environments import (
    VERSION,
    Environment,
    EnvironmentFactory,
    Observed,
    Prompt,
    Spoken,
)
from cohort.rollout.request import Reply
from cohort.rollout.voice import ToolEntries, Voice, entries_of

Tokens = NDArray[np.int32]
NOTHING: Tokens = np.zeros(0, dtype=np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of an episode. turns: the most it may have. turn_seconds: how long an environment may take to
    answer one. episode_seconds: after how long no further turn begins; infinite: never. context_tokens:
    the most of a context that is written anew; 0: it always goes on from what was said."""

    turns: int = 8
    turn_seconds: float = 60.0
    episode_seconds: float = math.inf
    context_tokens: int = 0


@dataclass(slots=True)
class _Open:
    """An episode that goes on. told: tokens of its turns so far, shown ones included. messages: of a
    chat, all of them until the turn that was spoken last, which ended with the token `last`. context: what
    the next turn goes on from, once that was written anew; said: the tokens of the last turn."""

    environment: Environment | None
    began: float
    messages: list[Mapping[str, Any]] = field(default_factory=list)
    spoken: Spoken | None = None
    last: int = 0
    turns: list[Turn] = field(default_factory=list)
    told: int = 0
    said: Tokens = field(default_factory=lambda: NOTHING)
    context: Tokens | None = None
    facts: dict[str, object] = field(default_factory=dict)
    failure: tuple[str, str] | None = None


class Episodes:
    """The conversation of one call of `sample`: see request.Conversation."""

    def __init__(
        self,
        factory: EnvironmentFactory,
        problems: Sequence[Problem],
        *,
        members: int,
        voice: Voice,
        limits: Limits,
        key: tuple[keyed.Part, ...],
        at_once: int = 64,
    ) -> None:
        """Makes and resets all environments; raises DataError where members of a group start differently."""
        self._voice, self._limits = voice, limits
        self._ready: list[Reply] = []
        self._calling: Calling[tuple[int, int]] = Calling(at_once)
        self._open: dict[tuple[int, int], _Open] = {}
        begun = [self._reset(factory, n, p, members, key) for n, p in enumerate(problems)]
        self.problems = [problem for problem, _ in begun]
        """The problems with the prompts that their environments gave."""
        self.prompts = [voice.prompt(problem, tools) for problem, tools in begun]
        """The same as tokens, as the policy sees them: int32 [p] each."""
        self.context_tokens = limits.context_tokens
        """See request.Conversation."""
        self._tools = [tools for _, tools in begun]

    def _reset(
        self,
        factory: EnvironmentFactory,
        number: int,
        problem: Problem,
        members: int,
        key: tuple[keyed.Part, ...],
    ) -> tuple[Problem, ToolEntries]:
        """Environments for the members of a group; the prompt and the tools that they agree on."""
        seed = keyed.digest(*key, "environment", problem.id) % 2**63
        starts: dict[str, tuple[int, Prompt, ToolEntries]] = {}
        for member in range(members):
            own = _Open(None, time.monotonic())
            self._open[number, member] = own
            start = self._calling.now(
                lambda: _begun(factory, problem, seed), self._limits.turn_seconds
            )
            if isinstance(start, Failed):
                own.failure = start.kind, start.reason
                continue
            own.environment, prompt, tools, state = start
            own.messages = [] if isinstance(prompt, str) else list(prompt)
            starts.setdefault(json.dumps([prompt, tools, str(state)]), (member, prompt, tools))
        if len(starts) > 1:
            (one, *_), (other, *_), *_ = starts.values()
            raise DataError(
                f"members {one} and {other} of problem {problem.id!r} start differently",
                "an environment's reset must depend on the problem and the seed alone",
            )
        if not starts:
            return problem, ()
        _, prompt, tools = next(iter(starts.values()))
        return replace(problem, prompt=prompt), tools

    def spoke(self, request: int, member: int, tokens: Tokens) -> None:
        """See request.Conversation."""
        own = self._open[request, member]
        turn = tokens[own.told :]
        spoken = self._voice.heard(turn, len(own.turns))
        own.turns.append(
            Turn(len(turn), text=spoken.text, mistakes=spoken.mistakes, context=_plain(own.context))
        )
        own.told, own.spoken, own.last = len(tokens), spoken, int(tokens[-1])
        own.said = turn
        environment = own.environment
        if environment is None:
            self._reply(request, member, "failed")
        elif getattr(environment, "quick", False):
            answer = self._calling.now(lambda: _observed(environment, spoken), math.inf)
            self._took(request, member, answer)
        else:
            self._calling.later(
                (request, member), lambda: _observed(environment, spoken), self._limits.turn_seconds
            )

    def replies(self, *, wait: bool) -> list[Reply]:
        """See request.Conversation."""
        for (request, member), answer in self._calling.answers(wait=wait and not self._ready):
            self._took(request, member, answer)
        found, self._ready = self._ready, []
        return found

    def _took(self, request: int, member: int, answer: Observed | Failed) -> None:
        """An environment has answered: the episode is over, or this is what the policy sees next."""
        own = self._open[request, member]
        if isinstance(answer, Failed):
            own.failure = answer.kind, answer.reason
            self._reply(request, member, "failed")
            return
        own.facts.update(answer.facts)
        last = replace(own.turns[-1], reward=answer.reward)
        own.turns[-1] = last
        if answer.over:
            self._reply(request, member, "end")
        elif len(own.turns) >= self._limits.turns:
            self._reply(request, member, "turns")
        elif time.monotonic() - own.began > self._limits.episode_seconds:
            self._reply(request, member, "time")
        else:
            try:
                self._ready.append(self._next(request, member, answer))
            except (
                DataError,
                ModelError,
            ) as error:  # a template refuses what this environment shows
                own.failure = "invalid", error.message
                self._reply(request, member, "failed")

    def _next(self, request: int, member: int, answer: Observed) -> Reply:
        """What the policy sees before its next turn. Raises DataError and ModelError for what cannot be
        shown."""
        own = self._open[request, member]
        assert own.spoken is not None, "an answer to a turn that nobody spoke"
        tools, last = self._tools[request], own.turns[-1]
        if answer.afresh:
            own.messages, context, text = self._voice.afresh(answer.seen, tools)
        else:
            shown = self._voice.shown(own.messages, own.spoken, answer.seen, own.last, tools)
            if own.context is None:
                own.turns[-1] = replace(last, observed=len(shown.tokens), seen=shown.text)
                own.told += len(shown.tokens)
                return Reply(request, member, shown.tokens)
            context, text = np.concatenate((own.context, own.said, shown.tokens)), shown.text
        if len(context) > self.context_tokens:
            raise ModelError(
                f"it wrote a context of {len(context)} tokens anew, and at most "
                f"{self.context_tokens} are allowed",
                "raise environment.context_tokens, or let the conversation go on as it was",
            )
        own.context, own.turns[-1] = context, replace(last, seen=text)
        return Reply(request, member, NOTHING, context=context)

    def _reply(self, request: int, member: int, stop: StopReason) -> None:
        self._ready.append(Reply(request, member, NOTHING, stop))

    def episode(self, request: int, member: int, tokens: Tokens, stop: StopReason) -> Episode:
        """See request.Conversation."""
        own = self._open.pop((request, member))
        turns = list(own.turns)
        if len(tokens) > own.told or not turns:  # cut within a turn
            rest = tokens[own.told :]
            text = self._voice.heard(rest, len(turns)).text
            turns.append(Turn(len(rest), text=text, context=_plain(own.context)))
        elif turns[-1].seen:  # there was no room for what it was to be shown
            turns[-1] = replace(turns[-1], observed=0, seen="")
        _closed(own.environment)
        seconds = time.monotonic() - own.began
        return Episode(tuple(turns), dict(own.facts), own.failure, seconds)

    @property
    def left_behind(self) -> list[str]:
        """Calls that hung past their deadline and still run, a sentence each."""
        return self._calling.left_behind


def _begun(
    factory: EnvironmentFactory, problem: Problem, seed: int
) -> tuple[Environment, Prompt, ToolEntries, object]:
    """An environment after its reset, its prompt and tools, and what it says of its state."""
    environment = factory()
    version = getattr(environment, "protocol", VERSION)
    if version != VERSION:
        raise ValueError(f"it speaks protocol {version!r}, and this is {VERSION}")
    asked: Any = settled(environment.reset(problem, seed))
    prompt: Prompt = asked if isinstance(asked, str) else tuple(dict(part) for part in asked)
    tools = entries_of(getattr(environment, "tools", ()))
    state = getattr(environment, "state_hash", None)
    return environment, prompt, tools, "" if state is None else settled(state())


def _observed(environment: Environment, spoken: Spoken) -> Observed:
    """What it answers, checked: a bad answer is the environment's failure."""
    answer = settled(environment.step(spoken))
    if not isinstance(answer, Observed):
        raise TypeError(f"step returned {type(answer).__name__}, not an Observed")
    if answer.reward is not None and not math.isfinite(answer.reward):
        raise ValueError(f"the reward of a turn is {answer.reward!r}")
    facts: dict[str, object] = json.loads(json.dumps(dict(answer.facts), allow_nan=False))
    return replace(answer, facts=facts)


def _plain(context: Tokens | None) -> tuple[int, ...] | None:
    return None if context is None else tuple(context.tolist())


def _closed(environment: Environment | None) -> None:
    close = getattr(environment, "close", None)
    if close is not None:
        settled(close())
