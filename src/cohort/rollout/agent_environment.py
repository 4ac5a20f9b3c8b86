"""An agent that knows only a base URL, as the environment of the policy that it asks.

The agent runs in a thread (a function) until its first request, whose messages are the prompt; each turn of
the policy is the answer to a request, and what the next request has beyond what was said is what the
policy sees next. When the agent returns, the episode is over, and what it returned are its facts.

An agent that goes on with the conversation as it was is trained on one sequence; of one that rewrites what
was said before, each turn is a sample of its own from there on (`environment.context_tokens`).
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cohort.data.records import Problem
from cohort.rollout.endpoint import Asked, endpoint
from cohort.rollout.environments import VERSION, Observed, Prompt, Spoken
from cohort.rollout.messages import said

Agent = Callable[[str, Problem], Mapping[str, object] | None]
"""Given a base URL and the problem; returns facts, of which `reward` is that of the whole episode."""


class AgentFailed(RuntimeError):
    """The agent raised, or did what cannot be trained on."""


class AgentEnvironment:
    """One run of an agent. seconds: it may take so long between two requests."""

    protocol = VERSION

    def __init__(self, agent: Agent, *, seconds: float = 600.0) -> None:
        self._agent, self._seconds = agent, seconds
        self._line = endpoint().open()
        self._ended: tuple[Mapping[str, object] | None, BaseException | None] | None = None
        self._asked: Asked | None = None
        self._messages: list[dict[str, Any]] = []
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
        self._asked, self._messages, self.tools = asked, list(asked.messages), asked.tools
        return tuple(asked.messages)

    def step(self, spoken: Spoken) -> Observed:
        """Answer the agent; what it asks next is seen, and where it is done, the episode is over."""
        assert self._asked is not None, "a turn before the first request"
        message = said(spoken)
        self._messages.append(message)
        self._asked.reply(_as_openai(message))
        asked = self._next()
        if asked is None:
            assert self._ended is not None
            facts = dict(self._ended[0] or {})
            return Observed(over=True, facts=facts)
        fresh = asked.messages[len(self._messages) :]
        afresh = not fresh or not _goes_on(self._messages, asked.messages)
        self._asked, self._messages = asked, list(asked.messages)
        return Observed(seen=tuple(asked.messages if afresh else fresh), afresh=afresh)

    def close(self) -> None:
        """An agent that still asks is refused."""
        endpoint().close(self._line)
        if self._asked is not None and self._ended is None:
            self._asked.refuse("the episode is over")

    def _run(self, problem: Problem) -> None:
        try:
            self._ended = self._agent(self._line.base_url, problem), None
        except BaseException as error:  # noqa: BLE001 - the agent is the user's
            self._ended = None, error
        self._line.asked.put(None)

    def _next(self) -> Asked | None:
        """The agent's next request; None where it has ended."""
        try:
            asked = self._line.asked.get(timeout=self._seconds)
        except queue.Empty:
            raise TimeoutError(f"the agent asked nothing for {self._seconds:g} s") from None
        if asked is None:
            assert self._ended is not None
            error = self._ended[1]
            if error is not None:
                raise AgentFailed(f"{type(error).__name__}: {error}") from error
        return asked


def _goes_on(before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a conversation begins with another one, whatever else its messages carry."""
    own = zip(before, now, strict=False)
    return all(_core(one) == _core(other) for one, other in own)


def _core(message: Mapping[str, Any]) -> tuple[Any, ...]:
    calls = [call["id"] for call in message.get("tool_calls") or ()]
    return message["role"], message.get("content") or "", calls


def _as_openai(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message of the assistant as the protocol has it: arguments of calls are JSON in a text."""
    made = dict(message)
    if "tool_calls" in made:
        made["tool_calls"] = [
            {
                **call,
                "function": {
                    **call["function"],
                    "arguments": json.dumps(call["function"]["arguments"]),
                },
            }
            for call in made["tool_calls"]
        ]
    return made
