"""The launcher as its starter has it: started when first needed, once more in every forked child.

It is started by `subprocess`, which neither forks a Python with threads nor runs Python between fork
and exec; so a process with threads may have one. All threads use the same; each order has its own socket.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from pathlib import Path

BOOT = (
    "import os, sys; told = os.read(0, 65536).decode().split('\\n'); sys.path.insert(0, told[0]); "
    "from cohort.rewards.sandbox.launcher import main; main(int(told[1]), int(told[2]), told[3])"
)
"""What the launcher is told to run; where and for whom, it reads from stdin."""

END_SECONDS = 5.0

SOURCE = str(Path(__file__).parents[3])


def interpreter() -> str:
    """The Python that runs this, outside of any virtual environment."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


class Launcher:
    """A launcher that is there when it is needed; `close` or the end of this object ends it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._owner = 0
        self._end: weakref.finalize[..., Launcher] | None = None

    def order(self, streams: list[int]) -> socket.socket:
        """The socket of a new order whose program will have these as stdin, stdout and stderr."""
        ours, theirs = socket.socketpair()
        with theirs:
            files = [theirs.fileno(), *streams]
            with self._lock:
                try:
                    socket.send_fds(self._running(), [b"o"], files)
                except (BrokenPipeError, ConnectionResetError):  # somebody has ended it
                    self._let_go()
                    socket.send_fds(self._running(), [b"o"], files)
        return ours

    def close(self) -> None:
        """End the launcher and all that it started."""
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        if self._end is not None and self._owner == os.getpid():
            self._end()
        self._end = self._control = None

    def _running(self) -> socket.socket:
        # A forked child has its parent's launcher, which would end with the parent, not with the child.
        if self._control is None or self._owner != os.getpid():
            self._let_go()
            self._start()
        assert self._control is not None
        return self._control

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [interpreter(), "-I", "-S", "-B", "-c", BOOT],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={},
                cwd="/",
                start_new_session=True,
            )
            assert process.stdin is not None
            text = f"{SOURCE}\n{theirs.fileno()}\n{os.getpid()}\n{tempfile.gettempdir()}"
            with process.stdin as stdin:
                stdin.write(text.encode())
        self._control, self._owner = ours, os.getpid()
        self._end = weakref.finalize(self, _end, ours, process, os.getpid())


def _end(control: socket.socket, process: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() != owner:
        control.close()
        process.returncode = 0  # it is not this process's to wait for
        return
    # A child of ours may hold the socket too, so closing it would not be noticed.
    with control, contextlib.suppress(OSError):
        control.send(b"end", socket.MSG_DONTWAIT)
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
