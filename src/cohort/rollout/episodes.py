"""Episodes: who calls the environments, keeps each rollout's turns, and says what it is shown next.

Every rollout has an environment of its own. They are called side by side, each by a thread or as a
coroutine, and what they say is taken when it comes: which of them is first cannot change a rollout. A turn
that takes longer than its deadline, and whatever an environment raises or returns that is no answer, ends the
episode as a failure; a thread that hangs cannot be killed, so it is left behind and named.

`quick` environments, which say so themselves, never wait for anything and are called where the sampler is.
"""

from __future__ import annotations

import functools
import json
import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cohort.data import keyed
from cohort.data.records import Episode, Problem, StopReason, Turn
from cohort.errors import DataError, ModelError
from cohort.rewards.outcome import Failed
from cohort.rollout.calling import Calling, outcome
from cohort.rollout.environments import EnvironmentFactory, Observed, Sampled, Spoken
from cohort.rollout.playing import Playing, Start
from cohort.rollout.request import Reply
from cohort.rollout.voice import ToolEntries, Voice

Tokens = NDArray[np.int32]
NOTHING: Tokens = np.zeros(0, dtype=np.int32)
CLOSING_SECONDS = 10.0
"""That environments have for closing, all together, after the last episode; or a turn's, if that is less."""


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

    playing: Playing
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
    """The conversation of one call of `sample`: see request.Conversation. Also a context, at whose end
    every environment is closed."""

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
        self._closing: list[threading.Thread] = []
        self._calling: Calling[tuple[int, int]] = Calling(at_once)
        self._open: dict[tuple[int, int], _Open] = {
            (number, member): _Open(Playing(factory, limits.turn_seconds))
            for number in range(len(problems))
            for member in range(members)
        }
        try:
            starts = self._begun(problems, key)
            begun = [self._prompted(n, p, starts.get(n)) for n, p in enumerate(problems)]
        except BaseException:
            self.close(wait=False)
            raise
        self.problems = [problem for problem, _, _ in begun]
        """The problems with the prompts that their environments gave."""
        self._tools = [tools for _, tools, _ in begun]
        self.prompts = [prompt for _, _, prompt in begun]
        """The same as tokens, as the policy sees them: int32 [p] each."""
        self.context_tokens = limits.context_tokens
        """See request.Conversation."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close(wait=kind is None)

    def close(self, *, wait: bool = True) -> None:
        """Close the environments that are open; where it may, wait until all are closed."""
        for own in self._open.values():
            self._close(own)
        self._open.clear()
        ends = time.monotonic() + min(CLOSING_SECONDS, self._limits.turn_seconds) * wait
        for thread in self._closing:
            thread.join(max(0.0, ends - time.monotonic()))

    def _begun(self, problems: Sequence[Problem], key: tuple[keyed.Part, ...]) -> dict[int, Start]:
        """Reset all environments; how each group starts, but groups of which nobody does."""
        for (number, member), own in self._open.items():
            problem = problems[number]
            seed = keyed.digest(*key, "environment", problem.id) % 2**63
            begin = functools.partial(own.playing.begin, problem, seed)
            self._calling.later((number, member), begin, self._limits.turn_seconds)
        came: dict[tuple[int, int], Any] = {}
        while len(came) < len(self._open):
            came.update(self._calling.answers(wait=True))
        found: dict[int, tuple[int, Start]] = {}
        for (number, member), start in sorted(came.items(), key=lambda one: one[0]):
            if isinstance(start, Failed):
                self._fail(self._open[number, member], start)
                continue
            other, first = found.setdefault(number, (member, start))
            if _said(start) != _said(first):
                raise DataError(
                    f"members {other} and {member} of problem {problems[number].id!r} start differently",
                    "an environment's reset must depend on the problem and the seed alone",
                )
        return {number: start for number, (_, start) in found.items()}

    def _prompted(
        self, number: int, problem: Problem, start: Start | None
    ) -> tuple[Problem, ToolEntries, Tokens]:
        """A problem as its episodes begin, its tools, and the prompt. One that an environment made and
        that cannot be asked is its failure; one of the problem's own is refused."""
        asked = problem if start is None else replace(problem, prompt=start.prompt)
        tools = () if start is None else start.tools
        own = [one for (of, _), one in self._open.items() if of == number]
        try:
            tokens = self._asked(asked, tools)
        except (DataError, ModelError) as error:
            if start is not None and start.prompt == problem.prompt:
                raise
            for one in own:
                self._fail(one, Failed("invalid", error.message))
            return problem, (), self._voice.nothing
        for one in own:
            one.messages = [] if isinstance(asked.prompt, str) else list(asked.prompt)
        return asked, tools, tokens

    def _asked(self, problem: Problem, tools: ToolEntries) -> Tokens:
        """A prompt as tokens. Raises DataError and ModelError."""
        long = self._voice.overflows(problem.prompt)
        tokens = NOTHING if long else self._voice.prompt(problem, tools)
        if long or not self._voice.fits(tokens):
            raise DataError(
                f"the prompt of problem {problem.id!r} is longer than the model's context",
                "shorten the prompt, or use a model with a longer context",
            )
        return tokens

    def spoke(
        self, request: int, member: int, tokens: Tokens, logprobs: NDArray[np.float32]
    ) -> None:
        """See request.Conversation."""
        own = self._open[request, member]
        before = len(self.prompts[request]) + own.told
        if own.context is not None:
            before = len(own.context)
        turn = Sampled(tokens[own.told :], logprobs[own.told :], before, self._voice.read)
        spoken = self._voice.heard(turn, len(own.turns))
        own.turns.append(
            Turn(
                len(turn.tokens),
                text=spoken.text,
                mistakes=spoken.mistakes,
                context=_plain(own.context),
            )
        )
        own.told, own.spoken, own.last = len(tokens), spoken, int(tokens[-1])
        own.said = turn.tokens
        ask = functools.partial(own.playing.answer, spoken)
        if own.failure is not None:
            self._reply(request, member, "failed")
        elif own.playing.is_quick:
            self._took(request, member, outcome(ask))
        else:
            self._calling.later((request, member), ask, self._limits.turn_seconds)

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
            self._fail(own, answer)
            self._reply(request, member, "failed")
            return
        own.facts.update(answer.facts)
        own.turns[-1] = replace(own.turns[-1], reward=answer.reward)
        if answer.over:
            self._reply(request, member, "end")
        elif len(own.turns) >= self._limits.turns:
            self._reply(request, member, "turns")
        elif time.monotonic() - own.playing.began > self._limits.episode_seconds:
            self._reply(request, member, "time")
        elif self._voice.overflows(answer.seen):
            self._reply(request, member, "length")
        else:
            self._show(request, member, answer)

    def _show(self, request: int, member: int, answer: Observed) -> None:
        try:
            reply = self._next(request, member, answer)
        except (DataError, ModelError) as error:  # a template refuses what this environment shows
            self._fail(self._open[request, member], Failed("invalid", error.message))
            self._reply(request, member, "failed")
        else:
            self._ready.append(reply)

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
            text = self._voice.text(rest)
            turns.append(Turn(len(rest), text=text, context=_plain(own.context)))
        elif turns[-1].seen:  # there was no room for what it was to be shown
            turns[-1] = replace(turns[-1], observed=0, seen="")
        seconds = time.monotonic() - own.playing.began
        self._close(own)
        return Episode(tuple(turns), dict(own.facts), own.failure, seconds)

    @property
    def left_behind(self) -> list[str]:
        """Calls that hung past their deadline and still run, a sentence each."""
        return self._calling.left_behind

    def _fail(self, own: _Open, failed: Failed) -> None:
        own.failure = failed.kind, failed.reason

    def _close(self, own: _Open) -> None:
        """Close an environment where it holds nobody up; what comes of it does not change its episode."""
        own.playing.forget()
        if not own.playing.needs_closing:
            own.playing.close()
        elif own.playing.is_quick:
            outcome(own.playing.close)
        else:
            closing = threading.Thread(target=outcome, args=(own.playing.close,), daemon=True)
            closing.start()
            self._closing.append(closing)


def _said(start: Start) -> str:
    return json.dumps([start.prompt, start.tools, start.state])


def _plain(context: Tokens | None) -> tuple[int, ...] | None:
    return None if context is None else tuple(context.tolist())
