"""Runs in forked children: a second each, since everything is imported before."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

DEADLINE_SECONDS = 600.0


def import_everything() -> None:
    """What a run needs, before anything is forked."""
    import cohort.cli.main
    import cohort.train.run  # noqa: F401  # imported so that no child has to


def forked(work: Callable[[], int], *, kill_after: float = 0.0, log: Path | None = None) -> int:
    """What the work returns in a forked child; minus the signal where one ended it.

    log: where its output goes; nowhere without it.
    """
    child = os.fork()
    if child == 0:
        code = 70
        try:
            _redirect(log)
            code = work()
        except BaseException:  # noqa: BLE001  # a child says what it died of, whatever that was
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    deadline = time.monotonic() + (kill_after or DEADLINE_SECONDS)
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _redirect(log: Path | None) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    file = os.open(log or os.devnull, flags, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)


def command(*arguments: str) -> int:
    """`cohort` with these arguments in this process; the exit code."""
    from cohort.cli.main import run

    sys.argv = ["cohort", *arguments]
    try:
        run()
    except SystemExit as ended:
        sys.stderr.flush()
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def die(number: int, at: int) -> None:
    """kill -9 of this process, where it is at this call."""
    if number == at:
        os.kill(os.getpid(), signal.SIGKILL)


def watch(owner: type, names: tuple[str, ...], before: Callable[[int], None]) -> None:
    """Call this with the number of each call of these methods, from 1, before it is made."""
    count = iter(range(1, sys.maxsize))

    def watched(method: Callable[..., object]) -> Callable[..., object]:
        def called(*arguments: object, **more: object) -> object:
            before(next(count))
            return method(*arguments, **more)

        return called

    for name in names:
        setattr(owner, name, watched(getattr(owner, name)))
