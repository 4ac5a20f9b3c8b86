"""Processes below a process, by /proc: counted, weighed, and ended with all that they started.

A function's children may leave their group and session; they cannot leave the tree, since the
supervisor above them adopts what is orphaned. Where a supervisor itself was ended, what it was given
in its environment still tells its processes apart.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
LONGEST_SECONDS = 5.0
"""For killed processes to be gone; a process that waits for a dead disk may take longer."""

GONE = (FileNotFoundError, ProcessLookupError, PermissionError)


def below(pid: int) -> list[int]:
    """The living descendants of a process. Empty where there is no /proc."""
    found: list[int] = []
    left = [pid]
    while left:
        for child in _children(left.pop()):
            if child not in found:
                found.append(child)
                left.append(child)
    return [child for child in found if _state(child) not in ("Z", "X", "")]


def marked(mark: str) -> list[int]:
    """The living processes that began with this text in their environment, this one aside."""
    found = []
    for path in PROC.glob("[0-9]*"):
        with suppress(*GONE):
            if mark.encode() in (path / "environ").read_bytes() and int(path.name) != os.getpid():
                found.append(int(path.name))
    return [pid for pid in found if _state(pid) not in ("Z", "X", "")]


def resident_bytes(pids: list[int]) -> int:
    """The resident memory of processes, summed; pages that they share count for each."""
    pages = 0
    for pid in pids:
        with suppress(*GONE, ValueError, IndexError):
            pages += int((PROC / str(pid) / "statm").read_text().split()[1])
    return pages * PAGE_BYTES


def end_below(pid: int) -> None:
    """End everything below a process: stopped first, so that nothing forks on meanwhile."""
    ends = time.monotonic() + LONGEST_SECONDS
    while (found := below(pid)) and time.monotonic() < ends:
        stopped: set[int] = set()
        while set(found) - stopped and time.monotonic() < ends:
            _signal(set(found) - stopped, signal.SIGSTOP)
            stopped |= set(found)
            found = below(pid)
        _signal(stopped, signal.SIGKILL)
        time.sleep(0.001)


def end_marked(mark: str) -> None:
    """End everything that has this text in its environment."""
    ends = time.monotonic() + LONGEST_SECONDS
    while (found := marked(mark)) and time.monotonic() < ends:
        _signal(set(found), signal.SIGKILL)
        time.sleep(0.001)


def _signal(pids: set[int], which: signal.Signals) -> None:
    for pid in pids:
        with suppress(*GONE):
            os.kill(pid, which)


def _children(pid: int) -> list[int]:
    """The children of all threads of a process."""
    found: list[int] = []
    with suppress(*GONE):
        for task in (PROC / str(pid) / "task").iterdir():
            with suppress(*GONE):
                found += map(int, (task / "children").read_text().split())
    return found


def _state(pid: int) -> str:
    """One letter: Z has ended already; empty where it is gone."""
    with suppress(*GONE):
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    return ""
