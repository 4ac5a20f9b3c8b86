"""The last steps of a process before it becomes the program: limits, no rights, Landlock, the filter.

Everything here happens in a child that has been forked for it, in this order, and ends in `exec`.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable

from cohort.rewards.sandbox import kernel, landlock, seccomp
from cohort.rewards.sandbox.landlock import Rule
from cohort.rewards.sandbox.wire import Order

OPEN_FILES = 128
STACK_BYTES = 8 * 2**20
QUEUED_SIGNALS = 256
MOST_STACK_BYTES = 256 * 2**20
SPARE_FILE_BYTES = 2**20
"""A file may be that much larger than the disk, so that it is the disk that is full first."""
SPARE_ADDRESSES_BYTES = 512 * 2**20
"""Address space beyond twice the memory: libraries, arenas and stacks of threads that are never touched."""


def become(order: Order, where: str, streams: list[int], confine: Callable[[], None]) -> None:
    """Become the program, in a folder, with stdin, stdout and stderr. Raises OSError; else never returns."""
    os.setsid()
    for target, stream in enumerate(streams):
        os.dup2(stream, target, inheritable=True)
    if sys.platform == "linux":  # elsewhere Python's own descriptors close by themselves
        kernel.call("close_range", 3, kernel.NO_END, kernel.CLOSE_RANGE_CLOEXEC)
    os.chdir(where)
    os.umask(0o022)
    for number in range(1, signal.NSIG):
        if number not in (signal.SIGKILL, signal.SIGSTOP) and signal.getsignal(number) is not None:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    set_limits(order)
    confine()
    os.execve(order["command"][0], order["command"], order["environment"])


def wall_in(order: Order, rules: list[Rule], bare: seccomp.Bare | None) -> None:
    """Give up all rights, then Landlock where the order says so, then the filter. Raises OSError."""
    kernel.drop_capabilities()
    if order["landlock"]:
        landlock.restrict(rules, order["landlock"])
    seccomp.install(seccomp.instructions(bare))


def set_limits(order: Order) -> None:
    """The limits that the kernel keeps, of each process by itself."""
    cpu = max(1, round(order["cpu_seconds"] + 0.5))
    addresses = 2 * order["memory_bytes"] + SPARE_ADDRESSES_BYTES
    _limit("CORE", 0)
    _limit("CPU", cpu, cpu + 1)
    _limit("AS", addresses)
    _limit("FSIZE", order["disk_bytes"] + SPARE_FILE_BYTES)
    _limit("NOFILE", OPEN_FILES)
    _limit("MEMLOCK", 0)
    _limit("MSGQUEUE", 0)
    _limit("SIGPENDING", QUEUED_SIGNALS)
    _limit("STACK", STACK_BYTES, MOST_STACK_BYTES)
    _limit("NICE", 0)
    _limit("RTPRIO", 0)


def become_user(user: int) -> None:
    """Stop being root, for good."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def limit_processes(count: int) -> None:
    """How many processes and threads its user may have; inside a user namespace, only those in it."""
    _limit("NPROC", count)


def _limit(name: str, soft: int, hard: int | None = None) -> None:
    which: int | None = getattr(resource, f"RLIMIT_{name}", None)
    if which is None:  # a system without such a limit
        return
    most = resource.getrlimit(which)[1]
    wanted = soft if hard is None else hard
    hard = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.setrlimit(which, (min(soft, hard), hard))
