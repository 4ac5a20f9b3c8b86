"""Lies beside every attack: what is around it, system calls by number, and the words of its report.

An attack prints `ESCAPED: what` when it obtained what it must not, and `WORKED` where it is a check that
ordinary things work. An exception that ends it means that it was contained.
"""

import contextlib
import ctypes
import json
import os
import re
import time
from pathlib import Path
from types import SimpleNamespace

AT = SimpleNamespace(**json.loads(Path("surroundings.json").read_text()))
"""Paths, ports and pids of what may not be reached, and the limits; tests/attacks/surroundings.py."""

FOLDERS = (".", "/tmp", "/var/tmp", "/dev/shm", "/run", "/", "/home", AT.home, AT.outside, AT.tmp)
"""Where something might be written."""

_SECRET = re.compile(rb"COHORT-SECRET-[0-9a-f]{16}")
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
libc.mmap.restype = libc.shmat.restype = ctypes.c_void_p


def escaped(what):
    """Report a success, past every buffer."""
    os.write(1, f"\nESCAPED: {what}\n".encode())


def worked():
    """Report that an ordinary thing works."""
    os.write(1, b"\nWORKED\n")


def leaked(data, where):
    """Whether some bytes hold a secret; if so it is reported and shown."""
    found = _SECRET.search(data)
    if found:
        escaped(f"{where}: {found.group().decode()}")
    return bool(found)


def call(number, *arguments):
    """A system call of x86-64 by its number; an OSError where the kernel refuses."""
    whole = [ctypes.c_long(a or 0) if a is None or isinstance(a, int) else a for a in arguments]
    result = libc.syscall(ctypes.c_long(number), *whole)
    if result == -1:
        raise OSError(ctypes.get_errno(), f"system call {number}")
    return result


def allowed(number, *arguments):
    """Whether the kernel did as asked, instead of refusing."""
    return attempt(call, number, *arguments) is not None


def attempt(function, *arguments):
    """What a function returns (True for None), or None where the system refused."""
    try:
        result = function(*arguments)
    except (OSError, ValueError, MemoryError):
        return None
    return True if result is None else result


def contents(path):
    """The bytes of a file, at most 1 MB, or nothing."""
    try:
        with open(path, "rb") as file:
            return file.read(2**20)
    except OSError:
        return b""


def held(what, amount, most):
    """Report an amount that is above what is allowed and is still there half a second later."""
    time.sleep(0.5)
    if amount > most:
        escaped(f"{what}: {amount} where {most} is the most")


def children(number, body):
    """Fork children that run a function and then sleep for two seconds; how many there are."""
    made = 0
    with contextlib.suppress(OSError):
        for place in range(number):
            if os.fork() == 0:
                try:
                    body(place)
                    time.sleep(2)
                finally:
                    os._exit(0)
            made += 1
    return made


def alone():
    """Whether no stranger is within reach; an attack that signals at large asks this first."""
    for pid in AT.pids:
        with contextlib.suppress(OSError):
            os.kill(pid, 0)
            return False
    everybody = contents("/proc/self/uid_map").split()[2:3] in ([], [b"4294967295"])
    return not (os.getuid() == 0 and everybody)


def cloned(flags):
    """Whether the kernel made a process with these flags of `clone`."""
    pid = call(56, flags | 17, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    with contextlib.suppress(OSError):
        os.waitpid(pid, 0)
    return True
