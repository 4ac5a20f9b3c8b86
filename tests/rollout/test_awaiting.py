"""Waiting for coroutines: whatever one of them does, others are waited for as before."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

import pytest

from cohort.rollout.awaiting import Awaiting


@pytest.fixture
def two() -> Iterator[tuple[Awaiting, Awaiting]]:
    pair = Awaiting(0.3), Awaiting(5.0)
    yield pair
    for awaiting in pair:
        awaiting.close()


async def said(text: str) -> str:
    await asyncio.sleep(0)
    return text


def loops() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "cohort coroutines"}


def test_a_value_is_settled_and_a_coroutine_is_waited_for(two: tuple[Awaiting, Awaiting]) -> None:
    assert two[0].settled(3) == 3
    assert two[0].settled(said("so")) == "so"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
def test_what_a_coroutine_raises_does_not_end_its_loop(
    error: BaseException, two: tuple[Awaiting, Awaiting]
) -> None:
    async def raises() -> None:
        raise error

    with pytest.raises(type(error)):
        two[0].settled(raises())
    assert two[0].settled(said("still here")) == "still here"


def test_a_coroutine_that_is_late_is_cancelled(two: tuple[Awaiting, Awaiting]) -> None:
    ended = threading.Event()

    async def hangs() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    with pytest.raises(TimeoutError, match="had not ended after"):
        two[0].settled(hangs())
    assert ended.wait(5)
    assert two[0].settled(said("again")) == "again"


def test_a_coroutines_own_timeout_is_its_own(two: tuple[Awaiting, Awaiting]) -> None:
    async def late() -> None:
        raise TimeoutError("of the service")

    with pytest.raises(TimeoutError, match="of the service"):
        two[0].settled(late())


def test_one_that_blocks_its_loop_holds_nobody_else_up(two: tuple[Awaiting, Awaiting]) -> None:
    release = threading.Event()

    async def blocks() -> None:
        release.wait(20)

    with pytest.raises(TimeoutError):
        two[0].settled(blocks())
    assert two[1].settled(said("here")) == "here"
    release.set()


def test_a_loop_that_nobody_uses_ends() -> None:
    before = loops()
    awaiting = Awaiting(5.0)
    awaiting.settled(said("so"))
    (own,) = loops() - before
    awaiting.close()
    awaiting.close()
    own.join(20.0)
    assert not own.is_alive()


def test_a_loop_ends_though_a_task_clings_to_it() -> None:
    async def clings() -> None:
        for _ in range(2):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)

    async def leaves() -> None:
        left.append(asyncio.create_task(clings()))
        await asyncio.sleep(0)

    left: list[asyncio.Task[None]] = []
    before, awaiting = loops(), Awaiting(5.0)
    awaiting.settled(leaves())
    (own,) = loops() - before
    awaiting.close()
    own.join(20.0)
    assert not own.is_alive()
    assert left[0].done()
