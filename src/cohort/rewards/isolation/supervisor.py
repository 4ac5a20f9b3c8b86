"""The process above a worker: a clean interpreter that forks workers, adopts their orphans, and
outlives what they do. It runs no code of the user, and ends all below it when its trainer is gone.

`python -c START FD PATHS`, see `process.py`. On the control socket comes a message with two file
descriptors, the worker's connection and its output, for each worker wanted; back go {"started": pid}
and {"ended": [pid, status]}.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from cohort.rewards.isolation.frames import packed
from cohort.rewards.isolation.tree import end_below
from cohort.rewards.isolation.worker import serve

PR_SET_CHILD_SUBREAPER = 36


def main(control_fd: int) -> None:
    """Serve until the other end of the control socket is closed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # who crashes leaves no file behind
    control = socket.socket(fileno=control_fd)
    woken, wake = os.pipe()
    both: list[Any] = [control, woken]
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    while True:
        ready, _, _ = select.select(both, [], [])
        if woken in ready:
            os.read(woken, 4096)
            for ended in _reaped():
                _send(control, {"ended": ended})
        if control in ready:
            data, fds, _, _ = socket.recv_fds(control, 1, 2)
            if not data:
                break
            _send(control, {"started": _fork((control.fileno(), woken, wake), *fds)})
    end_below(os.getpid())
    os._exit(0)


def _send(control: socket.socket, message: object) -> None:
    with suppress(OSError):  # nobody is there any more: the loop sees it
        control.sendall(packed(message))


def _reaped() -> list[tuple[int, int]]:
    """Process and status of all children that have ended."""
    found = []
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            found.append(ended)
    return found


def _fork(own: Sequence[int], connection_fd: int, output_fd: int) -> int:
    """A worker, in a session of its own; returns its process id, here."""
    pid = os.fork()
    if pid:
        os.close(connection_fd)
        os.close(output_fd)
        return pid
    try:
        os.set_inheritable(connection_fd, False)  # a program in its place is no worker
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for usual in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(usual, signal.SIG_DFL)
        for fd in own:
            os.close(fd)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for old, new in ((nothing, 0), (output_fd, 1), (output_fd, 2)):
            os.dup2(old, new)
        os.close(nothing)
        os.close(output_fd)
        serve(socket.socket(fileno=connection_fd))
    finally:
        os._exit(0)
