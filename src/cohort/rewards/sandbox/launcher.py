"""The process that starts sandboxes: started once, alone, without threads; it forks one for each program.

It knows nothing: no files, no answers, no environment. It ends with the process that started it, and
what it started ends with it. It runs with the standard library alone.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
from collections.abc import Callable

from cohort.rewards.sandbox import kernel, landlocked, namespaces
from cohort.rewards.sandbox.wire import Order, receive, tell

LOOK_SECONDS = 5
"""How often to see whether the starter is there still; where the kernel tells of its end, at once."""

ORDER = b"o"
"""The message of an order. Any other is to end, as the end of the socket is."""
FILES_OF_AN_ORDER = 4
"""The socket of one order, and the program's stdin, stdout and stderr."""


def main(control: int, starter: int, temporary: str) -> None:
    """Serve the starter until it closes the socket or is no more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended ones are let go of by the kernel
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.umask(0o022)
    orders = socket.socket(fileno=control)
    poller = select.poll()
    poller.register(control, select.POLLIN)
    landlocked.remove_leftovers(temporary)
    if sys.platform == "linux":
        kernel.forget_arguments()
        try:
            poller.register(os.pidfd_open(starter), select.POLLIN)
        except ProcessLookupError:
            return
    while os.getppid() == starter:
        ready = [descriptor for descriptor, _ in poller.poll(LOOK_SECONDS * 1000)]
        if control in ready and not _serve(orders):
            return


def _serve(orders: socket.socket) -> bool:
    message, files, _, _ = socket.recv_fds(orders, 1, FILES_OF_AN_ORDER)
    is_order = message == ORDER and len(files) == FILES_OF_AN_ORDER
    if is_order:
        launcher = os.getpid()
        if os.fork() == 0:
            orders.close()
            _stage(launcher, files)
    for file in files:
        os.close(file)
    return is_order


def _stage(launcher: int, files: list[int]) -> None:
    """In a process of its own: run one order to its end, and end."""
    channel = socket.socket(fileno=files[0])
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if sys.platform == "linux":
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
            _prefer_to_die()
        if os.getppid() == launcher:
            order, contents = receive(channel)
            _holder(order["tier"])(order, contents, channel, files[1:])
    except EOFError:
        pass
    except BaseException as error:  # noqa: BLE001 - the last words of a process, told to its starter
        tell(channel, failed=f"{type(error).__name__}: {error}")
    finally:
        os._exit(0)


def _holder(tier: str) -> Callable[[Order, dict[str, bytes], socket.socket, list[int]], None]:
    """The `hold` of a tier, which runs a program to its end."""
    if tier == "seatbelt":
        from cohort.rewards.sandbox import (
            seatbelt,
        )  # what it imports is much, and needed there only

        return seatbelt.hold
    return {"namespaces": namespaces.hold, "landlock": landlocked.hold}[tier]


def _prefer_to_die() -> None:
    """Where the machine runs out of memory, this goes before anything else does."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
