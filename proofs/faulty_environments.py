"""Environments at fault: their episodes have failed, by a named kind, and have no reward."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

from cohort.data.records import Problem
from cohort.rollout.environments import Observed, Spoken
from cohort.rollout.openenv_environment import OpenEnvEnvironment
from proofs.episode_ground import Fault, Ground, Healthy, hang
from proofs.faulty_tools import MARKUP, TEN_MB, cyclic
from tests.rollout.openenv_server import serving


def steps(body: Callable[[], Any], **more: Any) -> Callable[[], Any]:
    """An environment whose step does this; of a sort that has these attributes, too."""
    kind = type("Stepping", (Healthy,), {"step": lambda self, spoken: body(), **more})
    return kind


def resets(body: Callable[[], Any], **more: Any) -> Callable[[], Any]:
    """An environment whose reset does this."""
    kind = type("Resetting", (Healthy,), {"reset": lambda self, problem, seed: body(), **more})
    return kind


def raising(error: BaseException) -> Callable[[], Any]:
    def body() -> Any:
        raise copy(error)  # one that is raised again and again would keep all that it came through

    return body


async def exits() -> None:
    raise SystemExit(3)


async def sleeps() -> None:
    await asyncio.sleep(60)


async def clings() -> None:
    """Does not even end when it is cancelled."""
    for _ in range(2):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            hang()


async def blocks() -> None:
    hang()


def shows(seen: Any) -> Callable[[], Any]:
    """An environment that shows this after the first turn."""

    class Showing(Healthy):
        def step(self, spoken: Spoken) -> Observed:
            return Observed(seen, over=spoken.number > 0)

    return Showing


class Own(OpenEnvEnvironment):
    """A session with a server of its own, which ends with it."""

    begun = False

    def reset(self, problem: Problem, seed: int) -> Any:
        """As ever; it closes what was open before."""
        try:
            return super().reset(problem, seed)
        finally:
            self.begun = True

    def close(self) -> None:
        """The session, and at the end the server."""
        super().close()
        if self.begun:
            self.end()

    def end(self) -> None:
        """End the server."""
        raise NotImplementedError


class Dying(Own):
    """A server in a process of its own, which is killed before its session or within it."""

    first = False

    def __init__(self) -> None:
        code = (
            "import time; from tests.rollout.openenv_server import serving\n"
            "with serving() as server: print(server.url, flush=True); time.sleep(60)"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        super().__init__(self.process.stdout.readline().strip(), act=_guess, seconds=2.0)

    def reset(self, problem: Problem, seed: int) -> Any:
        """Begin, unless it is dead."""
        if self.first:
            self.kill()
        return super().reset(problem, seed)

    def step(self, spoken: Spoken) -> Observed:
        """It dies, and is asked."""
        self.kill()
        return super().step(spoken)

    def kill(self) -> None:
        """Kill it with -9."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Leave no process."""
        self.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()


class DyingFirst(Dying):
    """Dead before its session began."""

    first = True


class Served(Own):
    """A server that answers a step so."""

    def __init__(self, fault: str) -> None:
        self._serving = serving(fault=fault)
        super().__init__(self._serving.__enter__().url, act=_guess, seconds=2.0)

    def end(self) -> None:
        """End the server."""
        self._serving.__exit__(None, None, None)


def _guess(spoken: Spoken) -> Mapping[str, str]:
    return {"message": "3"}


class Slow(Healthy):
    """Takes longer to close than anybody waits."""

    def close(self) -> None:
        """Hang."""
        hang()


class Unclosed(Healthy):
    """Cannot be closed."""

    def close(self) -> None:
        """Raise."""
        raise SystemExit("no")


OPENENV = {
    fault: Fault(lambda fault=fault: Served(fault), "unreachable")
    for fault in (
        "drop",
        "close",
        "hang",
        "large",
        "masked",
        "text",
        "list",
        "binary",
        "empty",
        "error",
    )
}
ENVIRONMENTS: Mapping[str, Fault] = {
    "factory raises": Fault(Ground, "raised", alone=True),
    "another protocol": Fault(Ground, "invalid", alone=True),
    "reset raises": Fault(resets(raising(OSError("no table"))), "raised"),
    "reset exits": Fault(resets(raising(SystemExit(3))), "raised"),
    "reset hangs": Fault(resets(hang), "deadline"),
    "reset of a coroutine exits": Fault(resets(exits), "raised"),
    "reset returns bytes": Fault(resets(lambda: b"hello"), "invalid"),
    "reset returns None": Fault(resets(lambda: None), "invalid"),
    "reset returns 10 MB": Fault(
        resets(lambda: ({"role": "user", "content": "a b " * (TEN_MB // 4)},)), "invalid"
    ),
    "reset returns half a character": Fault(
        resets(lambda: ({"role": "user", "content": "\ud800"},)), "invalid"
    ),
    "reset has tools that are none": Fault(steps(hang, tools=[{"name": 3}]), "invalid"),
    "state hash raises": Fault(
        steps(hang, state_hash=lambda self: 1 // 0), "raised"
    ),
    "step raises": Fault(steps(raising(OSError("the table is gone"))), "raised"),
    "step raises half a character": Fault(steps(raising(OSError("\ud800"))), "raised"),
    "step exits": Fault(steps(raising(SystemExit(3))), "raised"),
    "step of a quick one exits": Fault(steps(raising(SystemExit(3)), quick=True), "raised"),
    "step is out of memory": Fault(steps(raising(MemoryError())), "memory"),
    "step hangs": Fault(steps(hang), "deadline"),
    "coroutine hangs": Fault(steps(sleeps), "deadline"),
    "coroutine hangs and clings": Fault(steps(clings), "deadline"),
    "coroutine blocks its loop": Fault(steps(blocks), "deadline"),
    "coroutine exits": Fault(steps(exits), "raised"),
    "step returns None": Fault(steps(lambda: None), "invalid"),
    "step returns text": Fault(steps(lambda: "hello"), "invalid"),
    "reward is NaN": Fault(steps(lambda: Observed(reward=float("nan"))), "invalid"),
    "reward is text": Fault(steps(lambda: Observed(reward="1")), "raised"),  # type: ignore[arg-type]
    "facts are a cycle": Fault(steps(lambda: Observed(facts={"a": cyclic()})), "invalid"),
    "facts are 10 MB": Fault(steps(lambda: Observed(facts={"a": "b" * TEN_MB})), "invalid"),
    "facts hold half a character": Fault(steps(lambda: Observed(facts={"a": "\ud800"})), "invalid"),
    "shows bytes": Fault(shows(b"hello"), "invalid"),
    "shows a number": Fault(shows(3), "invalid"),
    "shows messages without content": Fault(shows(({"role": "user"},)), "invalid"),
    "shows half a character": Fault(shows("a \udfff"), "invalid"),
    "shows 10 MB": Fault(shows("a b " * (TEN_MB // 4)), stop="length"),
    "shows control tokens": Fault(shows(MARKUP), seen=MARKUP, stop="end"),
    "close raises": Fault(Unclosed, stop="end"),
    "close hangs": Fault(Slow, stop="end"),
    "process dies in a session": Fault(Dying, "unreachable"),
    "process dies before its session": Fault(DyingFirst, "unreachable"),
} | {f"server of OpenEnv: {fault}": one for fault, one in OPENENV.items()}  # fmt: skip
