"""One call of a reward function, wherever it runs: its result or what it raised, as plain JSON."""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cohort.data.imported import cause_of
from cohort.rewards.isolation.returned import Plain, plain

Function = Callable[..., object]


def called(function: Function, keywords: Mapping[str, Any]) -> Plain:
    """What a function returns, as `returned.plain` has it, or {"raised": text, "trace": text}.

    A coroutine runs to its end. What is no Exception (KeyboardInterrupt) goes through.
    """
    try:
        returned = function(**keywords)
        return plain(_finished(returned) if inspect.iscoroutine(returned) else returned)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is code of the user
        return raised(function, error)


def called_at_once(
    function: Function, calls: Sequence[Mapping[str, Any]], most: int
) -> list[Plain]:
    """The same of several calls of an async function, of which at most `most` run at a time."""

    async def one(keywords: Mapping[str, Any], room: asyncio.Semaphore) -> Plain:
        async with room:
            try:
                return plain(await function(**keywords))  # type: ignore[misc]
            except (Exception, SystemExit) as error:  # noqa: BLE001 - it is code of the user
                return raised(function, error)

    async def everything() -> list[Plain]:
        room = asyncio.Semaphore(most)
        return list(await asyncio.gather(*(one(keywords, room) for keywords in calls)))

    found: list[Plain] = _finished(everything())
    return found


def raised(function: Function, error: BaseException) -> Plain:
    """What is told of an exception: its cause with the line of the function's file, and its frames
    from the function's on."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = next((n for n, f in enumerate(frames) if f.filename != __file__), 0)
    lines = traceback.format_list(frames[own:])
    lines += traceback.format_exception_only(error)
    return {
        "raised": cause_of(error, getattr(code, "co_filename", "")),
        "trace": "".join(lines)[-8000:],
    }


def _finished(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The coroutine's result; in a thread of its own, since a notebook has a loop running."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
