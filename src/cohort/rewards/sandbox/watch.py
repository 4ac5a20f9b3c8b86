"""The watcher of one program: time, processor, memory of all its processes together, and its end.

It runs in a process of its own beside the program, so that nobody need look for the limits to hold.
What it reads of a process is what `/proc` says, never what the process says.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cohort.rewards.sandbox.wire import Order

LOOK_SECONDS = 0.02
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

Processes = Callable[[], Iterable[int]]


@dataclass(slots=True)
class Watched:
    """How it ended; `code` is its exit code, or the signal."""

    end: str = ""
    code: int = signal.SIGKILL
    seconds: float = 0.0
    peak_memory_bytes: int = 0


def watch(order: Order, pid: int, stop: int, processes: Processes) -> Watched:
    """Wait for the end of `pid`, or for a limit, or until `stop` can be read. Kills nothing.

    A program that is over has the end "exited", "signal", "cpu" or "refused"; one that is not has the
    name of its limit, or "stopped".
    """
    began = time.monotonic()
    watched = Watched()
    ended = os.pidfd_open(pid)
    poller = select.poll()
    poller.register(ended, select.POLLIN)
    poller.register(stop, select.POLLIN)
    looks = 0
    while not watched.end:
        left = order["wall_seconds"] - (time.monotonic() - began)
        ready = [at for at, _ in poller.poll(1000 * max(0.0, min(LOOK_SECONDS, left)))]
        if ended in ready:
            _over(order, pid, watched)
        elif stop in ready:
            watched.end = "stopped"
        elif time.monotonic() - began >= order["wall_seconds"]:
            watched.end = "wall"
        else:
            looks += 1
            _look(order, processes(), watched, with_cpu=looks % 5 == 0)
            _reap(pid)
    watched.seconds = time.monotonic() - began
    os.close(ended)
    return watched


def _over(order: Order, pid: int, watched: Watched) -> None:
    _, status, used = os.wait4(pid, 0)
    watched.peak_memory_bytes = max(watched.peak_memory_bytes, used.ru_maxrss * 1024)
    if os.WIFEXITED(status):
        watched.end, watched.code = "exited", os.WEXITSTATUS(status)
        return
    watched.code = os.WTERMSIG(status)
    spent = used.ru_utime + used.ru_stime
    if watched.code == signal.SIGXCPU or (
        watched.code == signal.SIGKILL and spent >= order["cpu_seconds"]
    ):
        watched.end = "cpu"
    elif watched.code == signal.SIGSYS:
        watched.end = "refused"
    else:
        watched.end = "disk" if watched.code == signal.SIGXFSZ else "signal"


def _look(order: Order, pids: Iterable[int], watched: Watched, *, with_cpu: bool) -> None:
    memory = threads = 0
    # What became of processes that were reaped here already.
    reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = reaped.ru_utime + reaped.ru_stime
    for pid in pids:
        memory += memory_of(pid)
        if with_cpu:
            seconds, count = _cpu_and_threads(pid)
            cpu += seconds
            threads += count
    watched.peak_memory_bytes = max(watched.peak_memory_bytes, memory)
    if memory > order["memory_bytes"]:
        watched.end = "memory"
    elif with_cpu and cpu > order["cpu_seconds"]:
        watched.end = "cpu"
    elif with_cpu and threads > order["processes"]:
        watched.end = "processes"


def memory_of(pid: int) -> int:
    """The memory of its own that a process holds, in bytes; 0 for one that is gone."""
    try:
        with open(f"/proc/{pid}/statm", "rb", buffering=0) as file:
            _, resident, shared = file.read().split()[:3]
    except OSError:
        return 0
    return (int(resident) - int(shared)) * PAGE_BYTES


def _cpu_and_threads(pid: int) -> tuple[float, int]:
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0.0, 0
    # Its own, and that of children that it waited for; its name may hold anything, so count from its end.
    return sum(map(int, fields[11:15])) / TICKS_PER_SECOND, int(fields[17])


def _reap(pid: int) -> None:
    """Let go of orphans; the program itself is waited for by name."""
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None or found.si_pid == pid:
            return
        os.waitpid(found.si_pid, 0)
