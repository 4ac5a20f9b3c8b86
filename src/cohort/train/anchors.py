"""Who writes references and criteria: a model in this process, or a service.

A model samples all groups of a step in one go, by the sampler of the policy; the frozen first version of
a policy with adapters shares its base in memory. A service is asked as judges are: with a deadline,
few retries, and a journal, so that nothing is asked twice. What it does not answer is a failure, and
what was cut is no reference.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from cohort.config.teacher import Teacher
from cohort.data import keyed
from cohort.data.records import Problem
from cohort.policy.policy import Policy
from cohort.rewards.asked import Journal
from cohort.rewards.outcome import Failed, Unscorable
from cohort.rewards.services.address import destination
from cohort.rewards.services.asking import Patience, Service
from cohort.rewards.services.client import NoAnswer
from cohort.rewards.services.secret import key_from
from cohort.rewards.teacher.prompts import Pieces
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample

SERVICE_CHARACTERS = 24_000
"""Of a service's prompt where the recipe does not say; some six thousand tokens."""
LONGEST_PROMPT = 1 << 22
"""Characters of a service's prompt whatever the budget says."""
LONGEST_REPLY = 200_000
"""Characters of a service's reply."""

Said = str | Unscorable | Failed
"""What an anchor wrote, or why it wrote nothing."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question for an anchor: whose it is, its text, and whether it is a chat's turn."""

    problem: str
    text: str
    chat: bool


class Anchor(Protocol):
    """Answers questions about groups, one answer each."""

    @property
    def pieces(self) -> Pieces:
        """How it counts the length of a text."""

    def room(self, asked: Asked, tokens: int) -> int:
        """How much longer the question may become if the answer has so many tokens; negative where it
        is too long."""

    def write(
        self, asked: Sequence[Asked], tokens: int, key: tuple[keyed.Part, ...]
    ) -> tuple[list[Said], int]:
        """An answer of at most so many tokens to each question; and the tokens sampled for them."""


@final
class ModelAnchor:
    """A model in this process."""

    def __init__(self, policy: Policy, temperature: float, *, slots: int = 0) -> None:
        self._policy, self._temperature, self._slots = policy, temperature, slots
        self._known: dict[Asked, NDArray[np.int32]] = {}

    @property
    def pieces(self) -> Pieces:
        """Tokens of its tokenizer."""
        return Tokens(self._policy)

    def room(self, asked: Asked, tokens: int) -> int:
        """See Anchor."""
        return self._policy.context - tokens - len(self._prompt(asked))

    def _prompt(self, asked: Asked) -> NDArray[np.int32]:
        """A question's tokens, made once between it and its answer."""
        if asked not in self._known:
            self._known[asked] = self._policy.prompt_tokens(_problem(asked))
        return self._known[asked]

    def write(
        self,
        asked: Sequence[Asked],
        tokens: int,
        key: tuple[keyed.Part, ...],
        *,
        whole: bool = True,
    ) -> tuple[list[Said], int]:
        """See Anchor. Where it must be whole, what was cut is no answer."""
        sampling = Sampling(
            rollouts_per_prompt=1,
            max_new_tokens=tokens,
            temperatures=(self._temperature or 1.0,),
            greedy=self._temperature == 0.0,
            slots=self._slots,
        )
        requests = [Request(one.problem, self._prompt(one), (*key, one.problem)) for one in asked]
        self._known.clear()
        written = [rollout for (rollout,) in sample(self._policy, requests, sampling)]
        said: list[Said] = [
            Unscorable(f"the anchor was cut after {len(one.tokens)} tokens")
            if whole and one.stop == "length"
            else one.text
            for one in written
        ]
        return said, sum(len(one.tokens) for one in written)


@final
class Tokens:
    """Lengths in tokens of a policy's tokenizer."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def count(self, text: str) -> int:
        """Its tokens."""
        return len(self._policy.seen_tokens(text)) if text else 0

    def end(self, text: str, length: int) -> str:
        """Its last tokens as text."""
        return self._policy.text(self._policy.seen_tokens(text)[-length:])


@final
class ServiceAnchor:
    """A service that speaks OpenAI's chat completions."""

    def __init__(self, options: Teacher, journal: Journal) -> None:
        """Raises RewardError for an address or a key that cannot be used."""
        patience = Patience(
            deadline_seconds=options.deadline_seconds,
            attempt_seconds=options.deadline_seconds / 2,
            retry_budget=20,
            concurrency=8,
        )
        to = destination(options.anchor, "/chat/completions")
        self._service = Service(to, key_from(options.key_variable), patience, journal)
        self._model, self._temperature = options.model, options.temperature
        self._most = LONGEST_PROMPT if options.prompt_budget else SERVICE_CHARACTERS

    @property
    def pieces(self) -> Pieces:
        """Characters: its tokenizer is not known."""
        return Characters()

    def room(self, asked: Asked, tokens: int) -> int:
        """Its context is not known: SERVICE_CHARACTERS is what is taken for it, or the budget."""
        del tokens
        return self._most - len(asked.text)

    def write(
        self, asked: Sequence[Asked], tokens: int, key: tuple[keyed.Part, ...]
    ) -> tuple[list[Said], int]:
        """See Anchor. The tokens are the service's own business, and count as none."""
        del key  # what it draws is its own
        bodies = [
            json.dumps(
                {
                    "model": self._model,
                    "temperature": self._temperature,
                    "max_tokens": tokens,
                    "messages": [{"role": "user", "content": one.text}],
                }
            ).encode()
            for one in asked
        ]
        with ThreadPoolExecutor(max_workers=1) as pool:  # a notebook has a loop running
            said = pool.submit(asyncio.run, self._service.answers(bodies, reply_in)).result()
        return [one if isinstance(one, Failed) else _read(one) for one in said], 0


@final
class Characters:
    """Lengths in characters."""

    def count(self, text: str) -> int:
        """Its characters."""
        return len(text)

    def end(self, text: str, length: int) -> str:
        """Its last characters."""
        return text[-length:]


def reply_in(text: str) -> str:
    """What is kept of a response: its words, or that they were cut, as JSON. Raises NoAnswer."""
    try:
        (choice,) = json.loads(text)["choices"]
        words, why = choice["message"]["content"], choice.get("finish_reason")
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        reason = "the anchor's answer is no chat completion with one choice"
        raise NoAnswer(reason, kind="invalid", retryable=True) from None
    if not isinstance(words, str) or len(words) > LONGEST_REPLY or "\x00" in words:
        reason = f"the anchor's reply is no text of at most {LONGEST_REPLY:,} characters"
        raise NoAnswer(reason, kind="invalid", retryable=False)
    return json.dumps({"text": words, "cut": why == "length"})


def _read(kept: str) -> Said:
    said = json.loads(kept)
    return Unscorable("the anchor was cut") if said["cut"] else str(said["text"])


def _problem(asked: Asked) -> Problem:
    prompt = ({"role": "user", "content": asked.text},) if asked.chat else asked.text
    return Problem(f"{asked.problem}, reconciled", prompt)
