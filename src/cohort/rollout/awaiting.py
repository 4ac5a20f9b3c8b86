"""Waiting for what coroutines return, from threads that are not a loop's.

All coroutines of one environment run on one loop, so what they open stays theirs from one call to the next,
and lives while nobody calls. Loops are threads, at most `MOST_LOOPS` of them; as long as there are no more
environments than that, one whose coroutine blocks its loop keeps nobody else waiting. A coroutine that is
not done in time is cancelled; a loop that does not even cancel it is given up, and nobody is given it again.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import threading
from collections.abc import Awaitable
from functools import cache
from typing import TypeVar

T = TypeVar("T")

MOST_LOOPS = 64
GRACE_SECONDS = 0.25
"""That a coroutine has after its cancellation."""
CANCELLATIONS, ENDING_SECONDS = 3, 2.0
"""How often what is left on a loop that ends is cancelled, and how long it has each time."""
_MAKING = threading.Lock()


class Loops:
    """The loops of this process that somebody uses; one that nobody uses any more ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: dict[asyncio.AbstractEventLoop, int] = {}

    def take(self) -> asyncio.AbstractEventLoop:
        """A loop: of one's own while there are few, else the one with the fewest users."""
        with self._lock:
            if len(self._users) < MOST_LOOPS:
                loop = asyncio.new_event_loop()
                threading.Thread(
                    target=_run, args=(loop,), name="cohort coroutines", daemon=True
                ).start()
                self._users[loop] = 0
            else:
                loop = min(self._users, key=lambda one: self._users[one])
            self._users[loop] += 1
            return loop

    def give_back(self, loop: asyncio.AbstractEventLoop) -> None:
        """It is not needed any more."""
        with self._lock:
            if loop not in self._users:
                return
            self._users[loop] -= 1
            if not self._users[loop]:
                del self._users[loop]
                loop.call_soon_threadsafe(loop.stop)

    def give_up(self, loop: asyncio.AbstractEventLoop) -> None:
        """Nobody shall be given it again; it ends once it is not blocked."""
        with self._lock:
            if self._users.pop(loop, None) is not None:
                loop.call_soon_threadsafe(loop.stop)


def _loops() -> Loops:
    """Those of this process, made when they are first asked for; from any thread."""
    with _MAKING:
        return _made()


@cache
def _made() -> Loops:
    return Loops()


class Awaiting:
    """Waits for one environment, at most `seconds` for each of its coroutines."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop: asyncio.AbstractEventLoop | None = None

    def settled(self, value: T | Awaitable[T]) -> T:
        """The value, or what the coroutine returns or raises; TimeoutError if it does not in time."""
        if not inspect.isawaitable(value):
            return value
        loop = self._loop = self._loop or _loops().take()
        came: concurrent.futures.Future[T] = concurrent.futures.Future()
        running = asyncio.run_coroutine_threadsafe(_into(came, value), loop)
        try:
            return came.result(self._seconds)
        except concurrent.futures.TimeoutError:
            if came.done():  # it is the coroutine's own
                raise
        running.cancel()
        concurrent.futures.wait([came], GRACE_SECONDS)
        if not came.done():
            _loops().give_up(loop)
        raise TimeoutError(f"it had not ended after {self._seconds:g} s")

    def close(self) -> None:
        """Its loop is needed no more."""
        loop, self._loop = self._loop, None
        if loop is not None:
            _loops().give_back(loop)


async def _into(came: concurrent.futures.Future[T], value: Awaitable[T]) -> None:
    """Await, and keep what comes: an exception that left a task could end the loop of all."""
    try:
        came.set_result(await value)
    except BaseException as error:  # noqa: BLE001 - a coroutine of the user's
        came.set_exception(error)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Until it is stopped; then what is still on it is cancelled, more than once where it clings."""
    asyncio.set_event_loop(loop)
    loop.run_forever()
    for _ in range(CANCELLATIONS):
        if left := asyncio.all_tasks(loop):
            loop.run_until_complete(_cancelled(left))
    loop.close()


async def _cancelled(tasks: set[asyncio.Task[object]]) -> None:
    """They end, or hold out; two cancellations in a row can reach a task as one."""
    for task in tasks:
        task.cancel()
    done, _ = await asyncio.wait(tasks, timeout=ENDING_SECONDS)
    for task in done:
        if not task.cancelled():
            task.exception()  # else the log would say that nobody looked at it
