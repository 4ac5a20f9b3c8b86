"""All questions of one call to one service: a deadline for everything, few retries, and a journal.

The deadline holds for the call as a whole: resolving, connecting, every phase of every attempt, and
the pauses between them. What has no answer by then is `Failed`, and the others keep theirs. Nothing
is asked whose answer the journal has, equal questions are asked once, and an answer is journalled
before anything is made of it. A pause before a retry grows and has a jitter that is a function of the
question, so that it is the same in every run.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cohort.errors import RewardError
from cohort.rewards.asked import Journal, MemoryJournal
from cohort.rewards.outcome import Failed
from cohort.rewards.services.address import Destination, Resolve, system_resolve
from cohort.rewards.services.client import Client, NoAnswer
from cohort.rewards.services.secret import Secret

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 8.0
Read = Callable[[str], str]
"""From the text of a response to the answer that is kept. Raises NoAnswer where it holds none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long and how often a service is asked.

    deadline_seconds: after which the process of the reward is ended; all answers that are not there
    shortly before are given up. attempt_seconds: one attempt, from resolving to the last byte.
    retry_budget: requests made again, of all questions of a call together. concurrency: at a time.
    """

    deadline_seconds: float
    attempt_seconds: float
    retry_budget: int
    concurrency: int

    def __post_init__(self) -> None:
        spans = (self.deadline_seconds, self.attempt_seconds)
        counts = (self.retry_budget, self.concurrency)
        known = all(map(_is_number, spans)) and all(type(count) is int for count in counts)
        if not known or min(spans) <= 0 or self.retry_budget < 0 or self.concurrency < 1:
            raise RewardError(
                f"a service cannot be asked with {self!r:.200}",
                "seconds are above 0, retry_budget is 0 or more, concurrency is 1 or more",
            )

    @property
    def seconds(self) -> float:
        """For everything that a call asks: nine tenths of the deadline, so as not to be ended by it."""
        return 0.9 * self.deadline_seconds


@dataclass(frozen=True, slots=True)
class Service:
    """A service as a reward asks it: where, with which key, how long, and what it said before."""

    to: Destination
    key: Secret | None
    patience: Patience
    journal: Journal = field(default_factory=MemoryJournal)
    resolve: Resolve = system_resolve

    def __post_init__(self) -> None:
        local = self.to.address is not None and not self.to.address.is_global
        if self.key is not None and self.to.scheme == "http" and not local:
            raise RewardError(
                f"a key would go to {self.to.shown} in plain text", "use the service's https url"
            )

    async def answers(self, bodies: Sequence[bytes], read: Read) -> list[str | Failed]:
        """The answer to each question, or why there is none, in order."""
        if not bodies:
            return []
        call = _Call(self, read)
        asked = {body: asyncio.ensure_future(call.answer(body)) for body in dict.fromkeys(bodies)}
        try:
            await asyncio.gather(*asked.values())
        finally:
            for task in asked.values():
                task.cancel()
        return [asked[body].result() for body in bodies]


class _Call:
    """One call's questions: their common deadline, slots and retries."""

    def __init__(self, service: Service, read: Read) -> None:
        self._service = service
        self._read = read
        self._loop = asyncio.get_running_loop()
        self._ends = self._loop.time() + service.patience.seconds
        self._slots = asyncio.Semaphore(service.patience.concurrency)
        self._retries_left = service.patience.retry_budget
        self._not_before = 0.0  # when a service asks for a pause, all questions wait
        self._client = Client(service.to, service.key, service.resolve)

    async def answer(self, body: bytes) -> str | Failed:
        """The answer to a question, from the journal or from the service."""
        to = self._service.to
        key = name_of(to.scheme, to.host, str(to.port), to.target, body.decode())
        known = self._service.journal.recall(key)
        if known is not None:
            return known
        told: list[str] = []
        try:
            async with asyncio.timeout_at(self._ends), self._slots:
                answer = await self._insist(key, body, told)
        except TimeoutError:
            reason = f"no answer within {self._service.patience.seconds:g} s"
            return Failed("unreachable", "; ".join([reason, *told[-1:]]), retryable=True)
        except NoAnswer as error:
            return error.failed
        self._service.journal.keep(key, answer)
        return answer

    async def _insist(self, key: str, body: bytes, told: list[str]) -> str:
        """Attempt after attempt, until there is an answer or no use in another one."""
        for attempt in itertools.count():
            await asyncio.sleep(self._not_before - self._loop.time())
            try:
                return await self._attempt(body, attempt)
            except NoAnswer as error:
                told.append(error.failed.reason)
                pause = max(error.after_seconds, _pause(key, attempt))
                late = self._loop.time() + pause >= self._ends
                if late or not error.failed.retryable or not self._retries_left:
                    raise
                if error.after_seconds:
                    self._not_before = max(self._not_before, self._loop.time() + pause)
            self._retries_left -= 1
            await asyncio.sleep(pause)
        raise AssertionError("attempts have no end")

    async def _attempt(self, body: bytes, attempt: int) -> str:
        limit = self._service.patience.attempt_seconds
        try:
            async with asyncio.timeout(limit):
                return self._read(await self._client.post(body, attempt))
        except TimeoutError:
            reason = f"{self._service.to.shown} has not answered after {limit:g} s"
            raise NoAnswer(reason, retryable=True) from None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def name_of(*parts: str) -> str:
    """A hash of texts, 64 hexadecimal digits; it depends on where each begins."""
    framed = "".join(f"{len(part)}:{part};" for part in parts)
    return hashlib.sha256(framed.encode("utf-8", "surrogatepass")).hexdigest()


def share(*parts: str) -> float:
    """A number in [0, 1) that texts determine."""
    return int(name_of(*parts)[:13], 16) / 16**13


def _pause(key: str, attempt: int) -> float:
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0**attempt)
    return longest * (0.5 + 0.5 * share(key, str(attempt)))
