"""The filter of system calls that a program in the sandbox runs under, as instructions of classic BPF.

Calls of another architecture, or of x32, end the process. Everything else that is not allowed fails
with EPERM, or with ENOSYS where a library has a way to do without. `clone3` hides its flags in memory
that a filter cannot read, so it seems not to exist, and libraries fall back to `clone`.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Iterable
from dataclasses import dataclass

from cohort.rewards.sandbox import kernel
from cohort.rewards.sandbox.syscalls import (
    ARCHITECTURES,
    FORBIDDEN,
    FORBIDDEN_BARE,
    NEWEST,
    machine,
    number,
)

LOAD, EQUAL, AT_LEAST, MORE, SET, RETURN, AND = 0x20, 0x15, 0x35, 0x25, 0x45, 0x06, 0x54
KILL, ALLOW, ERROR = 0x80000000, 0x7FFF0000, 0x00050000
NUMBER, ARCHITECTURE = 0, 4
X32 = 0x40000000

MAP_SHARED_ANONYMOUS, MAP_HUGETLB = 0x21, 0x40000
AF_UNIX, SOCK_STREAM = 1, 1
NAMESPACES = 0x7E020000
IOCTLS = (0x5412, 0x541C, 0x540E, 0x5423)
"""TIOCSTI and TIOCLINUX type into a terminal; TIOCSCTTY takes one; TIOCSETD changes its discipline."""
FCNTLS = (8, 10, 15, 1024, 1026, 1031)
"""F_SETOWN, F_SETSIG, F_SETOWN_EX send signals; F_SETLEASE and F_NOTIFY watch files; F_SETPIPE_SZ."""
LOCKS = (6, 7, 37, 38)
"""F_SETLK, F_SETLKW and those of open files: a lock on a file that is read outside would be felt there."""
PRCTLS = (3, 15, 16, 21, 23, 38, 39, 0x53564D41)
"""Of all that `prctl` can do: names, names of memory, and questions."""
O_TRUNC = 0x200

Instruction = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Bare:
    """What a filter must know where Landlock is the only wall besides, and there are no namespaces."""

    pid: int
    """The one process that may be sent signals: the program itself."""
    truncation: bool
    """Whether Landlock guards truncation; it does from its third version on."""


def install(program: list[Instruction]) -> None:
    """Put this process, and all that come of it, under a filter for good. Raises OSError."""
    packed = b"".join(_packed(instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(packed, len(packed))
    address = ctypes.addressof(buffer)
    fprog = len(program).to_bytes(8, "little") + address.to_bytes(8, "little")
    holder = ctypes.create_string_buffer(fprog, len(fprog))
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.PR_SET_SECCOMP, kernel.SECCOMP_MODE_FILTER, ctypes.addressof(holder))


def instructions(bare: Bare | None) -> list[Instruction]:
    """The filter, first to last."""
    program = [_load(ARCHITECTURE), (EQUAL, 1, 0, ARCHITECTURES[machine()]), _return(KILL)]
    program += [_load(NUMBER)]
    if machine() == "x86_64":
        program += [(AT_LEAST, 0, 1, X32), _return(KILL)]
    program += [(MORE, 0, 1, NEWEST), _return(ERROR | errno.ENOSYS)]
    forbidden = list(FORBIDDEN)
    lacking = ["clone3"]
    if bare:
        forbidden += FORBIDDEN_BARE
        lacking += ["openat2"]
    for name in lacking:
        program += refused(name, errno.ENOSYS)
    for name in forbidden:
        program += refused(name, errno.EPERM)
    program += _everywhere()
    if bare:
        program += _only_landlock(bare)
    return [*program, _return(ALLOW)]


def refused(name: str, error: int) -> list[Instruction]:
    """A call that fails whatever its arguments are; to be put where its number is loaded."""
    if number(name) < 0:
        return []
    return [(EQUAL, 0, 1, number(name)), _return(ERROR | error)]


def _everywhere() -> list[Instruction]:
    return [
        *_if("clone", 0, [(SET, 0, 1, NAMESPACES), _refuse()]),
        *_if("ioctl", 1, _one_of(IOCTLS)),
        *_if("fcntl", 1, _one_of(FCNTLS)),
        *_if("prctl", 0, _none_of(PRCTLS)),
        *_if("prlimit64", 0, _none_of((0,))),
        *_if("personality", 0, _none_of((0xFFFFFFFF,))),
        *_if("socketpair", 0, _none_of((AF_UNIX,))),
        # A socket of datagrams could still be addressed to any other; a stream has but its peer.
        *_if("socketpair", 1, [(AND, 0, 0, 0xF), *_none_of((SOCK_STREAM,))]),
        # Memory that is shared and of no file stays when it is not mapped: no process is charged.
        *_if("mmap", 3, [(AND, 0, 0, MAP_SHARED_ANONYMOUS), *_one_of((MAP_SHARED_ANONYMOUS,))]),
        *_if("mmap", 3, [(SET, 0, 1, MAP_HUGETLB), _refuse()]),
    ]


def _only_landlock(bare: Bare) -> list[Instruction]:
    opened = [*_if("open", 1, _TRUNCATES), *_if("openat", 2, _TRUNCATES)]
    return [
        *_if("clone", 0, [(SET, 1, 0, kernel.CLONE_THREAD), _refuse()]),
        *_if("kill", 0, _none_of((bare.pid,))),
        *_if("tgkill", 0, _none_of((bare.pid,))),
        *_if("fcntl", 1, _one_of(LOCKS)),
        *([] if bare.truncation else opened),
    ]


def _if(name: str, argument: int, then: list[Instruction]) -> list[Instruction]:
    """For one call: its argument (the lower half, which is all that the kernel reads of these)."""
    if number(name) < 0:
        return []
    block = [_load(16 + 8 * argument), *then, _load(NUMBER)]
    return [(EQUAL, 0, len(block), number(name)), *block]


def _one_of(values: Iterable[int]) -> list[Instruction]:
    return [step for value in values for step in ((EQUAL, 0, 1, value), _refuse())]


def _none_of(values: tuple[int, ...]) -> list[Instruction]:
    jumps = [(EQUAL, len(values) - at, 0, value) for at, value in enumerate(values)]
    return [*jumps, _refuse()]


def _load(offset: int) -> Instruction:
    return (LOAD, 0, 0, offset)


def _return(value: int) -> Instruction:
    return (RETURN, 0, 0, value)


def _refuse() -> Instruction:
    return _return(ERROR | errno.EPERM)


_TRUNCATES: list[Instruction] = [(SET, 0, 1, O_TRUNC), _refuse()]


def _packed(instruction: Instruction) -> bytes:
    code, if_true, if_false, value = instruction
    return code.to_bytes(2, "little") + bytes((if_true, if_false)) + value.to_bytes(4, "little")
