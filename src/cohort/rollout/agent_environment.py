"""An agent that knows only a base URL, as the environment of the policy that it asks.

The agent runs in a thread (a function) until its first request, whose messages are the prompt; each turn of
the policy is the answer to a request, and what the next request has beyond what was said is what the
policy sees next. When the agent returns, the episode is over, and what it returned are its facts.

An agent must go on with the conversation as it was: one that rewrites what was said before, has other
tools than before, or asks twice at once, is refused, by an error that it gets and that fails the episode. One
whose connection broke may ask again, and gets the turn that it did not get. Of an agent that is said to
rewrite, each turn is a sample of its own from there on.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from cohort.data.records import Problem
from cohort.errors import RecipeError, legible, listed
from cohort.rollout.calling import BadAnswer
from cohort.rollout.chat_answer import MODEL, Answer, answer_of
from cohort.rollout.chat_request import ANYWAY, Refusal
from cohort.rollout.endpoint import OVER, Asked, endpoint
from cohort.rollout.environments import VERSION, Observed, Prompt, Spoken
from cohort.rollout.messages import said
from cohort.rollout.told import failure

Agent = Callable[[str, Problem], Any]
"""Given a base URL and the problem; returns facts, of which `reward` is that of the whole episode, or
None. May be async."""

FORK = "this conversation is not the one before with something after it"


class AgentFailed(RuntimeError):
    """The agent raised, or ended before it asked anything."""


class AgentEnvironment:
    """One run of an agent.

    model: what the policy is called; a request for another model is refused. ignore: options of requests
    that are not followed and not refused either, such as temperature and max_tokens: the stage says how
    is sampled. rewrites: it may change what was said before, where `environment.context_tokens` has room for
    its contexts. seconds: the agent may take so long between two requests.
    """

    protocol = VERSION

    def __init__(
        self,
        agent: Agent,
        *,
        model: str = MODEL,
        ignore: Collection[str] = (),
        rewrites: bool = False,
        seconds: float = 600.0,
    ) -> None:
        unknown = sorted(set(ignore) - set(ANYWAY))
        if unknown:
            raise RecipeError(
                f"an endpoint cannot ignore {listed(unknown)}", f"it can ignore {', '.join(ANYWAY)}"
            )
        self._agent, self._model, self._seconds = agent, model, seconds
        self._rewrites = rewrites
        self._line = endpoint().open(model, ignore)
        self._ended: tuple[object, BaseException | None] | None = None
        self._asked: Asked | None = None
        self._said: tuple[Asked, Answer] | None = None
        self._messages: list[Mapping[str, Any]] = []
        self.tools: Sequence[Mapping[str, Any]] = ()
        """Entries of the chat template's `tools`, as the agent gave them."""

    def reset(self, problem: Problem, seed: int) -> Prompt:
        """Start the agent; the prompt is what it asks first."""
        threading.Thread(
            target=self._run, args=(problem,), name="cohort agent", daemon=True
        ).start()
        asked = self._next()
        if asked is None:
            raise AgentFailed("the agent ended before it asked anything")
        self._asked, self.tools = asked, asked.request.tools
        self._messages = list(asked.request.messages)
        return asked.request.messages

    def step(self, spoken: Spoken) -> Observed:
        """Answer the agent; what it asks next is seen, and where it is done, the episode is over."""
        assert self._asked is not None, "a turn before the first request"
        answer = answer_of(spoken, self._model)
        asked, self._asked = self._asked, None
        self._said = asked, answer
        asked.reply(answer)
        self._messages.append({**said(spoken), "content": answer.message["content"]})
        self._asked = self._beyond()
        if self._asked is None:
            assert self._ended is not None, "a line that ended before its agent"
            return Observed(over=True, facts=_facts(self._ended[0]))
        return self._seen(self._asked)

    def close(self) -> None:
        """An agent that still asks is refused."""
        endpoint().close(self._line)
        if self._asked is not None:
            self._asked.reply(OVER)

    def _seen(self, asked: Asked) -> Observed:
        """What a request has beyond what was said."""
        now = asked.request.messages
        fresh = now[len(self._messages) :]
        if asked.request.tools != tuple(self.tools):
            raise self._refused(asked, "the tools are not those of the request before")
        afresh = not fresh or not goes_on(self._messages, now)
        if afresh and not self._rewrites:
            raise self._refused(asked, FORK)
        self._messages = list(now)
        return Observed(seen=now if afresh else fresh, afresh=afresh)

    def _refused(self, asked: Asked, why: str) -> BadAnswer:
        asked.reply(Refusal(why, code="not_append_only"))
        return BadAnswer(f"the agent was refused: {why}")

    def _beyond(self) -> Asked | None:
        """The agent's next request that is not the last one again; None where it has ended."""
        while True:
            asked = self._next()
            if asked is None or not self._is_again(asked):
                return asked
            assert self._said is not None, "a request again before the first turn"
            self._said = asked, self._said[1]
            asked.reply(self._said[1])

    def _is_again(self, asked: Asked) -> bool:
        """Whether a request is one whose answer was lost on its way."""
        if self._said is None or asked.request.messages != self._said[0].request.messages:
            return False
        return asked.request.again or self._said[0].lost()

    def _run(self, problem: Problem) -> None:
        try:
            came: Any = self._agent(self._line.base_url, problem)
            if inspect.isawaitable(came):
                came = asyncio.run(_awaited(came))
            self._ended = came, None
        except BaseException as error:  # noqa: BLE001 - the agent is the user's
            self._ended = None, error
        self._line.end()

    def _next(self) -> Asked | None:
        """The agent's next request; None where it has ended."""
        asked = self._line.next(self._seconds)
        if asked is None:
            if self._ended is None:
                raise AgentFailed("the episode was closed")
            error = self._ended[1]
            if error is not None:
                raise AgentFailed(f"the agent raised {failure(error)}") from error
        return asked


def goes_on(before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a conversation begins with another one, whatever else its messages carry."""
    own = zip(before, now, strict=False)
    return len(now) >= len(before) and all(_core(one) == _core(other) for one, other in own)


def _core(message: Mapping[str, Any]) -> tuple[Any, ...]:
    calls = [
        (call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in message.get("tool_calls") or ()
    ]
    return message["role"], message.get("content") or "", calls


def _facts(came: object) -> Mapping[str, object]:
    if came is None:
        return {}
    if not isinstance(came, Mapping):
        kind = legible(type(came).__name__)
        raise BadAnswer(f"the agent returned {kind}, and facts are a mapping or None")
    return came


async def _awaited(value: Any) -> Any:
    return await value
