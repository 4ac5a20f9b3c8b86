"""The second tier, for machines without namespaces: Landlock, the filter, and no process but one.

    stage    forked by the launcher; stays who we are, watches the program and clears up after it
    program  as root somebody else; may have threads, may not fork, signal, or write anything at all

The work folder is a real one, read by the program and removed by the stage. What this tier does not
hide is metadata: whether a path exists, and how large what is there is.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat

from cohort.rewards.sandbox import kernel, landlock
from cohort.rewards.sandbox.confine import become, become_user, limit_processes, wall_in
from cohort.rewards.sandbox.landlock import Rule
from cohort.rewards.sandbox.namespaces import DEVICES, write_files
from cohort.rewards.sandbox.seccomp import Bare
from cohort.rewards.sandbox.watch import Watched, watch
from cohort.rewards.sandbox.wire import Order, tell, tell_end

PREFIX = "cohort-sandbox-"
"""Of work folders: it, the launcher's number, the stage's number."""


def hold(order: Order, files: dict[str, bytes], channel: socket.socket, streams: list[int]) -> None:
    """The stage: returns when nothing of the program is left. Raises OSError."""
    where = os.path.join(order["temporary"], f"{PREFIX}{os.getppid()}-{os.getpid()}")
    os.mkdir(where, 0o755)
    try:
        signal.signal(signal.SIGTERM, _stop)
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGTERM)
        socket.send_fds(channel, [b"\n"], [os.pidfd_open(os.getpid())])
        os.chmod(where, 0o755)  # whatever our umask is
        write_files(where, files)
        watched = _run(order, where, channel, streams)
    finally:
        _remove(where)
    if watched is not None:
        tell_end(channel, watched.end, watched.code, watched.seconds, watched.peak_memory_bytes)


def remove_leftovers(temporary: str) -> None:
    """Remove work folders of ours whose stage was killed before it could."""
    for name in os.listdir(temporary):
        numbers = name.removeprefix(PREFIX).split("-")
        if not name.startswith(PREFIX) or not all(number.isdigit() for number in numbers):
            continue
        # In a folder of somebody else's, what is removed could be exchanged under our hands.
        found = os.lstat(os.path.join(temporary, name))
        is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
        if is_ours and not any(os.path.exists(f"/proc/{number}") for number in numbers):
            _remove(os.path.join(temporary, name))


def _remove(where: str) -> None:
    """Remove a folder of ours. No program could write in it, and no link is followed."""
    for folder, _, files in os.walk(where, topdown=False):
        with contextlib.suppress(OSError):
            for name in files:
                os.unlink(os.path.join(folder, name))
            os.rmdir(folder)


class _StoppedError(Exception):
    """The launcher is no more."""


def _stop(*_: object) -> None:
    raise _StoppedError


def _run(order: Order, where: str, channel: socket.socket, streams: list[int]) -> Watched | None:
    stage = os.getpid()
    failed, told = os.pipe()
    program = os.fork()
    if program == 0:
        try:
            become(order, where, streams, lambda: _confine(order, where, stage))
        except OSError as error:
            os.write(told, str(error).encode())
        finally:
            os._exit(127)
    try:
        for descriptor in (told, *streams):
            os.close(descriptor)
        if reason := os.read(failed, 4096):
            tell(channel, failed=reason.decode(errors="replace"))
            return None
        tell(channel, started=True)
        return watch(order, program, channel.fileno(), lambda: [program])
    except _StoppedError:
        return None
    finally:
        _end(program)


def _end(program: int) -> None:
    """The program is a child of ours until it is waited for, so its number is no one else's."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(program, signal.SIGKILL)
        os.waitpid(program, 0)


def _confine(order: Order, where: str, stage: int) -> None:
    if order["user"] is not None:
        become_user(order["user"] + stage)
        limit_processes(order["processes"])
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != stage:
        os._exit(127)
    rules: list[Rule] = [(path, landlock.READ) for path in (*order["readable"], where)]
    rules += [("/dev/null", landlock.USE)]
    rules += [(device, landlock.READ_FILE) for device in DEVICES[1:]]
    wall_in(order, rules, Bare(os.getpid(), truncation=order["landlock"] >= 3))
