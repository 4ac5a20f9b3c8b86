"""Calling what may hang: each call in a thread of its own with a deadline, and answers as they come.

Whatever the called raises becomes a Failed, SystemExit included. A thread cannot be killed: one that hangs
past its deadline is left behind, a daemon, and what it says is not heard.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cohort.errors import legible
from cohort.rewards.outcome import Failed, Kind
from cohort.rollout.told import failure

K = TypeVar("K", bound=Hashable)
Work = Callable[[], Any]
LONGEST_REASON = 300


class BadAnswer(ValueError):
    """What was called came back with what is no answer."""


KINDS: tuple[tuple[type[BaseException], Kind], ...] = (
    (BadAnswer, "invalid"),
    (TimeoutError, "deadline"),
    (ConnectionError, "unreachable"),
    (MemoryError, "memory"),
)
"""What an exception says of a failure; of any other, that it was raised."""


@dataclass(slots=True)
class _Running:
    began: float
    deadline: float
    work: Work


class Calling(Generic[K]):
    """Calls by key, at most `at_once` of them at a time; a key has one call at a time."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._waiting: deque[tuple[K, Work, float]] = deque()
        self._running: dict[K, _Running] = {}
        self._said: queue.SimpleQueue[tuple[K, _Running | None, Any]] = queue.SimpleQueue()
        self.left_behind: list[str] = []

    def later(self, key: K, work: Work, seconds: float) -> None:
        """Call when there is room; `answers` says what came of it."""
        self._waiting.append((key, work, seconds))
        self._begin()

    def answers(self, *, wait: bool) -> list[tuple[K, Any]]:
        """What calls returned since the last time, or Failed; where it may wait, at least one, if any
        call is on its way."""
        found: list[tuple[K, Any]] = []
        while True:
            found += self._heard()
            found += self._overdue()
            self._begin()
            if found or not wait or not (self._running or self._waiting):
                return found
            self._listen()

    def _heard(self) -> list[tuple[K, Any]]:
        found = []
        while not self._said.empty():
            key, running, answer = self._said.get()
            if running is not None and self._running.get(key) is running:
                del self._running[key]
                found.append((key, answer))
        return found

    def _overdue(self) -> list[tuple[K, Any]]:
        now = time.monotonic()
        late = [key for key, one in self._running.items() if now > one.deadline]
        return [(key, self._late(now - self._running.pop(key).began)) for key in late]

    def _listen(self) -> None:
        """Wait until something is said, or the next deadline."""
        left = min(one.deadline for one in self._running.values()) - time.monotonic()
        try:
            heard = self._said.get(timeout=max(0.0, min(left, 3600.0)) + 1e-3)
        except queue.Empty:
            return
        self._said.put(heard)

    def _begin(self) -> None:
        while self._waiting and len(self._running) < self._at_once:
            key, work, seconds = self._waiting.popleft()
            began = time.monotonic()
            running = _Running(began, began + seconds, work)
            self._running[key] = running
            threading.Thread(target=self._run, args=(key, running), daemon=True).start()

    def _run(self, key: K, running: _Running) -> None:
        self._said.put((key, running, outcome(running.work)))

    def _late(self, seconds: float) -> Failed:
        reason = f"it had not answered after {seconds:.1f} s"
        self.left_behind.append(reason)
        return Failed("deadline", reason)


def outcome(work: Work) -> Any:
    """What the work comes to. It is the user's code, so whatever it raises is an outcome; but who
    interrupts the process interrupts this."""
    try:
        return work()
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        if interrupted and threading.current_thread() is threading.main_thread():
            raise
        return Failed(_kind(error), legible(failure(error), LONGEST_REASON))


def _kind(error: BaseException) -> Kind:
    for of, kind in KINDS:
        if isinstance(error, of):
            return kind
    return "raised"
