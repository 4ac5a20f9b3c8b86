"""The tier of macOS: Seatbelt by `sandbox-exec`, limits, and the end of the whole process group.

This has never been run: it was written on Linux, from Apple's and others' descriptions of the profile
language. There is no limit on the memory of all processes together but what `ps` shows of the group;
a process that leaves the group is not ended with it, which is why the profile forbids to fork.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from cohort.rewards.sandbox.confine import become, become_user
from cohort.rewards.sandbox.namespaces import write_files
from cohort.rewards.sandbox.watch import LOOK_SECONDS
from cohort.rewards.sandbox.wire import Order, tell, tell_end

TOOL = "/usr/bin/sandbox-exec"

PROFILE = """(version 1)
(deny default)
(allow process-exec)
(allow sysctl-read)
(allow signal (target self))
(allow file-read-metadata)
(allow file-read* {readable})
(allow file-read* file-write-data (literal "/dev/null"))
(allow file-read* (literal "/dev/urandom") (literal "/dev/random"))
"""
SYSTEM = (
    "/usr/lib",
    "/usr/share",
    "/System/Library",
    "/private/var/db/dyld",
    "/Library/Frameworks",
)


def profile(readable: list[str]) -> str:
    """The profile: what is not allowed in it is refused."""
    quoted = (path.replace("\\", "\\\\").replace('"', '\\"') for path in readable)
    return PROFILE.format(readable=" ".join(f'(subpath "{path}")' for path in quoted))


def hold(order: Order, files: dict[str, bytes], channel: socket.socket, streams: list[int]) -> None:
    """Run an order to its end. Raises OSError."""
    where = os.path.realpath(tempfile.mkdtemp(prefix="cohort-sandbox-", dir=order["temporary"]))
    try:
        os.chmod(where, 0o755)
        write_files(where, files)
        text = profile([*SYSTEM, *order["readable"], where])
        order["command"] = [TOOL, "-p", text, *order["command"]]
        _run(order, where, channel, streams)
    finally:
        shutil.rmtree(where, ignore_errors=True)


def _run(order: Order, where: str, channel: socket.socket, streams: list[int]) -> None:
    program = os.fork()
    if program == 0:
        try:
            become(order, where, streams, lambda: _confine(order))
        finally:
            os._exit(127)
    for stream in streams:
        os.close(stream)
    tell(channel, started=True)
    began, peak, end, status = time.monotonic(), 0, "", 0
    while not end:
        stopped = bool(select.select([channel], [], [], LOOK_SECONDS)[0])
        done, status = os.waitpid(program, os.WNOHANG)
        peak = max(peak, _memory(program))
        over_time = time.monotonic() - began >= order["wall_seconds"]
        limits = {"stopped": stopped, "wall": over_time, "memory": peak > order["memory_bytes"]}
        end = _ended(status) if done else next((name for name, met in limits.items() if met), "")
    if not done:
        os.killpg(program, signal.SIGKILL)
        os.waitpid(program, 0)
    code = os.waitstatus_to_exitcode(status) if done else signal.SIGKILL
    tell_end(channel, end, abs(code), time.monotonic() - began, peak)


def _ended(status: int) -> str:
    if os.WIFEXITED(status):
        return "exited"
    return "cpu" if os.WTERMSIG(status) == signal.SIGXCPU else "signal"


def _memory(group: int) -> int:
    asked = ["/bin/ps", "-o", "rss=", "-g", str(group)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return 1024 * sum(int(word) for word in done.stdout.split() if word.isdigit())


def _confine(order: Order) -> None:
    if order["user"] is not None:
        become_user(order["user"] + os.getpid())
