"""One environment of one rollout: made, asked, closed, and whatever it answers held to the protocol.

All of it runs where it may hang. What is no answer raises BadAnswer here, so that nothing that an
environment says can fail later on, where the sampler is.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cohort.data.records import Problem
from cohort.errors import legible
from cohort.rollout.awaiting import Awaiting
from cohort.rollout.calling import BadAnswer
from cohort.rollout.environments import (
    VERSION,
    Environment,
    EnvironmentFactory,
    Observed,
    Prompt,
    Spoken,
)
from cohort.rollout.voice import ToolEntries, entries_of

MOST_FACTS = 1_000_000
"""Characters of JSON that the facts of an episode may have."""


@dataclass(frozen=True, slots=True)
class Start:
    """How an episode begins: the prompt, the tools that a template is told of, and what is said of the
    state, which members of a group must agree on."""

    prompt: Prompt
    tools: ToolEntries
    state: str


class Playing:
    """An environment. seconds: one of its coroutines may take."""

    def __init__(self, factory: EnvironmentFactory, seconds: float) -> None:
        self._factory = factory
        self._awaiting = Awaiting(seconds)
        self._environment: Environment | None = None
        self._unwanted = False
        self.began = time.monotonic()

    def begin(self, problem: Problem, seed: int) -> Start:
        """Make it and reset it; one that cannot be is closed, and so is one that took too long."""
        self.began = time.monotonic()
        environment = self._environment = self._factory()
        try:
            self._check_wanted()
            version = getattr(environment, "protocol", VERSION)
            if version != VERSION:
                raise BadAnswer(f"it speaks protocol {version!r}, and this is {VERSION}")
            prompt = _shown(
                self._awaiting.settled(environment.reset(problem, seed)), "reset returned"
            )
            tools = _tools(getattr(environment, "tools", ()))
            state = getattr(environment, "state_hash", None)
            said = "" if state is None else str(self._awaiting.settled(state()))
            self._check_wanted()
        except BaseException:
            self.close()
            raise
        return Start(prompt, tools, said)

    def answer(self, spoken: Spoken) -> Observed:
        """What it answers a turn with."""
        assert self._environment is not None, "a turn before its reset"
        answer = self._awaiting.settled(self._environment.step(spoken))
        if not isinstance(answer, Observed):
            raise BadAnswer(f"step returned {legible(type(answer).__name__)}, not an Observed")
        reward = answer.reward
        if reward is not None:
            if not math.isfinite(reward):
                raise BadAnswer(f"the reward of a turn is {reward!r}")
            reward = float(reward)
        seen = "" if answer.over else _shown(answer.seen, "step shows")
        return replace(answer, seen=seen, reward=reward, facts=_facts(answer.facts))

    def _check_wanted(self) -> None:
        if self._unwanted:
            raise TimeoutError("its episode is over already")

    @property
    def is_quick(self) -> bool:
        """Whether it never waits for anything."""
        return bool(getattr(self._environment, "quick", False))

    @property
    def needs_closing(self) -> bool:
        """Whether there is anything to close."""
        return hasattr(self._environment, "close")

    def forget(self) -> None:
        """It took too long to begin: it is closed as soon as it has."""
        self._unwanted = True

    def close(self) -> None:
        """Close it, once."""
        environment, self._environment = self._environment, None
        try:
            close = getattr(environment, "close", None)
            if close is not None:
                self._awaiting.settled(close())
        finally:
            self._awaiting.close()


def _shown(found: Any, where: str) -> Prompt:
    """A text or chat messages, as they can be tokenised and kept."""
    if isinstance(found, str):
        _check_text(found, where)
        return found
    if not isinstance(found, Sequence) or isinstance(found, (bytes, bytearray)):
        raise BadAnswer(f"{where} {legible(type(found).__name__)}, no text and no messages")
    messages = tuple(dict(part) if isinstance(part, Mapping) else {} for part in found)
    for message in messages:
        role, content = message.get("role"), message.get("content")
        silent = content is None and role == "assistant"
        if not isinstance(role, str) or not (silent or isinstance(content, str)):
            raise BadAnswer(f"{where} what is no message: a role and a content, both texts")
    _check_text(_json(messages, where), where)
    return messages


def _tools(found: Any) -> ToolEntries:
    entries = tuple(entries_of(found))
    for entry in entries:
        function = entry.get("function") if isinstance(entry, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise BadAnswer("its tools are no functions with names")
    _check_text(_json(entries, "its tools are"), "its tools hold")
    return entries


def _facts(found: Any) -> dict[str, object]:
    text = _json(dict(found), "its facts are")
    _check_text(text, "its facts hold")
    if len(text) > MOST_FACTS:
        raise BadAnswer(f"its facts have {len(text):,} characters, and {MOST_FACTS:,} are kept")
    facts: dict[str, object] = json.loads(text)
    return facts


def _json(value: object, where: str) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadAnswer(f"{where} what JSON cannot say: {legible(str(error), 120)}") from error


def _check_text(text: str, where: str) -> None:
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise BadAnswer(f"{where} half of a character")
