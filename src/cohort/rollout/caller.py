"""Calls of functions that somebody else wrote: to their end, to their deadline, or to what they raise.

The threads and deadlines are those of `Calling`. A thread that hangs is given up there, and as long as it
lives nothing else is called through the same caller, so an episode leaves at most one behind, and no
two calls of one environment ever run at once. Async functions are cancelled.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from cohort.errors import RecipeError
from cohort.rollout.calling import Calling
from cohort.rollout.told import failure

GRACE_SECONDS = 0.25
"""That an async function has after its cancellation, before its thread is given up."""


@dataclass(frozen=True, slots=True)
class Came:
    """What a call came to: a value, or why there is none, and the exception that it raised."""

    value: object = None
    failure: str = ""
    raised: BaseException | None = None


class Caller:
    """Calls one function at a time, each for at most `seconds`."""

    def __init__(self, seconds: float) -> None:
        if not seconds > 0:
            raise RecipeError(f"a tool has {seconds:g} seconds", "give it more than 0")
        self._seconds = seconds
        self._calling: Calling[str] = Calling(1)
        self._ended = threading.Event()
        self._ended.set()

    def call(self, function: Callable[..., object], arguments: Mapping[str, object]) -> Came:
        """What the function returns, or awaits to; never raises what the function raises."""
        if not self._ended.is_set():
            return Came(failure="an earlier call has not ended, so this one was not made")
        self._ended = threading.Event()
        work = partial(_made, function, arguments, self._seconds, self._ended)
        grace = GRACE_SECONDS if inspect.iscoroutinefunction(inspect.unwrap(function)) else 0.0
        self._calling.later("tool", work, self._seconds + grace)
        ((_, came),) = self._calling.answers(wait=True)
        if isinstance(came, Came):
            return came
        return Came(failure=f"it had not ended after {self._seconds:g} s, and was given up")


def _made(
    function: Callable[..., object],
    arguments: Mapping[str, object],
    seconds: float,
    ended: threading.Event,
) -> Came:
    """What a call came to, in the thread that it is made in."""
    try:
        value = function(**arguments)
        if inspect.isawaitable(value):
            value = asyncio.run(_within(value, seconds))
        return Came(value)
    except BaseException as error:  # noqa: BLE001 - code of the user, in a thread of its own
        return Came(failure=failure(error), raised=error)
    finally:
        ended.set()


async def _within(value: Awaitable[object], seconds: float) -> object:
    try:
        async with asyncio.timeout(seconds) as limit:
            return await value
    except TimeoutError:
        if limit.expired():
            raise TimeoutError(f"it had not ended after {seconds:g} s") from None
        raise
