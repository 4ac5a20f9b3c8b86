"""Calls of functions that somebody else wrote: to their end, to their deadline, or to what they raise.

Each call has a thread of its own, since a thread that hangs cannot be ended: it is given up, and as
long as it lives nothing else is called through the same caller, so an episode leaves at most one
behind, and no two calls of one environment ever run at once. Async functions are cancelled.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from cohort.errors import RecipeError
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
        self._hung: threading.Thread | None = None

    def call(self, function: Callable[..., object], arguments: Mapping[str, object]) -> Came:
        """What the function returns, or awaits to; never raises what the function raises."""
        if self._hung is not None and self._hung.is_alive():
            return Came(failure="an earlier call has not ended, so this one was not made")
        came: list[Came] = []

        def run() -> None:
            try:
                value = function(**arguments)
                if inspect.isawaitable(value):
                    value = asyncio.run(_within(value, self._seconds))
                came.append(Came(value))
            except BaseException as error:  # noqa: BLE001 - code of the user, in a thread of its own
                came.append(Came(failure=failure(error), raised=error))

        thread = threading.Thread(target=run, name="cohort-tool", daemon=True)
        thread.start()
        thread.join(self._seconds + (GRACE_SECONDS if _is_async(function) else 0.0))
        if came:
            return came[0]
        self._hung = thread
        return Came(failure=f"it had not ended after {self._seconds:g} s, and was given up")


async def _within(value: Awaitable[object], seconds: float) -> object:
    try:
        async with asyncio.timeout(seconds) as limit:
            return await value
    except TimeoutError:
        if limit.expired():
            raise TimeoutError(f"it had not ended after {seconds:g} s") from None
        raise


def _is_async(function: Callable[..., object]) -> bool:
    return inspect.iscoroutinefunction(inspect.unwrap(function))
