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
    ABOUT_PROCESSES,
    ARCHITECTURES,
    CLOCKS,
    FORBIDDEN,
    FORBIDDEN_BARE,
    LACKING,
    LACKING_BARE,
    NEWEST,
    machine,
    number,
)

LOAD, EQUAL, AT_LEAST, MORE, SET, RETURN, AND = 0x20, 0x15, 0x35, 0x25, 0x45, 0x06, 0x54
KILL, ALLOW, ERROR = 0x80000000, 0x7FFF0000, 0x00050000
NUMBER, ARCHITECTURE = 0, 4
X32 = 0x40000000

MAP_SHARED_ANONYMOUS, MAP_HUGETLB = 0x21, 0x40000
AF_UNIX, SOCK_STREAM, SOCK_SEQPACKET = 1, 1, 5
NAMESPACES = 0x7E020000
IOCTLS = (0x5412, 0x541C, 0x540E, 0x5423)
"""TIOCSTI and TIOCLINUX type into a terminal; TIOCSCTTY takes one; TIOCSETD changes its discipline."""
FCNTLS = (8, 10, 15, 1024, 1026, 1031, 1036, 1038)
"""F_SETOWN, F_SETSIG, F_SETOWN_EX send signals; F_SETLEASE and F_NOTIFY watch files; F_SETPIPE_SZ;
F_SET_RW_HINT and F_SET_FILE_RW_HINT write on what is opened to read."""
LOCKS = (5, 6, 7, 36, 37, 38)
"""F_GETLK, F_SETLK, F_SETLKW and those of open files: a lock to read is felt by all who read the file."""
PRCTLS = (3, 15, 16, 21, 23, 38, 39, 0x53564D41)
"""Of all that `prctl` can do: names, names of memory, and questions."""
O_TRUNC = 0x200
WHO = {"getpriority": 0, "ioprio_get": 1}
"""What says that a question of theirs is about a process, not about a group or a user."""

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
    errors = LACKING | dict.fromkeys(FORBIDDEN, errno.EPERM)
    if bare:
        errors |= LACKING_BARE | dict.fromkeys(FORBIDDEN_BARE, errno.EPERM)
    for name, error in errors.items():
        program += refused(name, error)
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
        *_if("fcntl", 1, _one_of((*FCNTLS, *LOCKS))),
        *_if("prctl", 0, _none_of(PRCTLS)),
        *_if("prlimit64", 0, _none_of((0,))),
        *_if("personality", 0, _none_of((0xFFFFFFFF,))),
        *_if("socketpair", 0, _none_of((AF_UNIX,))),
        # A socket of datagrams could still be addressed to any other; these two have but their peer.
        *_if("socketpair", 1, [(AND, 0, 0, 0xF), *_none_of((SOCK_STREAM, SOCK_SEQPACKET))]),
        # Memory that is shared and of no file stays when it is not mapped: no process is charged.
        *_if("mmap", 3, [(AND, 0, 0, MAP_SHARED_ANONYMOUS), *_one_of((MAP_SHARED_ANONYMOUS,))]),
        *_if("mmap", 3, [(SET, 0, 1, MAP_HUGETLB), _refuse()]),
    ]


def _only_landlock(bare: Bare) -> list[Instruction]:
    opened = [*_if("open", 1, _TRUNCATES), *_if("openat", 2, _TRUNCATES)]
    itself = (0, bare.pid)
    about = [step for name in ABOUT_PROCESSES for step in _if(name, 0, _none_of(itself, _LACKS))]
    for name in ("getpriority", "ioprio_get"):
        about += _if(name, 1, _none_of(itself))
        about += _if(name, 0, _none_of((WHO[name],)))
    return [
        *_if("clone", 0, [(SET, 1, 0, kernel.CLONE_THREAD), _refuse()]),
        # A thread with descriptors of its own could hide from who counts sockets.
        *_if("clone", 0, [(SET, 1, 0, kernel.CLONE_FILES), _refuse()]),
        *about,
        *(step for name in CLOCKS for step in _if(name, 0, _clocks_of_others(bare.pid))),
        *_if("kill", 0, _none_of((bare.pid,))),
        *_if("tgkill", 0, _none_of((bare.pid,))),
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


def _none_of(values: tuple[int, ...], refusal: Instruction | None = None) -> list[Instruction]:
    jumps = [(EQUAL, len(values) - at, 0, value) for at, value in enumerate(values)]
    return [*jumps, refusal or _refuse()]


def _clocks_of_others(pid: int) -> list[Instruction]:
    """A clock is below zero if it is a file's or holds the complement of a process; bit 2 is a thread's.

    Threads of others are refused by the kernel.
    """
    own = [(~process << 3 | kind) & 0xFFFFFFFF for process in (0, pid) for kind in range(3)]
    refusals = [_load(16), *_none_of(tuple(own), _LACKS)]
    return [(AND, 0, 0, 0x80000004), (EQUAL, 0, len(refusals), 0x80000000), *refusals]


def _load(offset: int) -> Instruction:
    return (LOAD, 0, 0, offset)


def _return(value: int) -> Instruction:
    return (RETURN, 0, 0, value)


def _refuse() -> Instruction:
    return _return(ERROR | errno.EPERM)


_TRUNCATES: list[Instruction] = [(SET, 0, 1, O_TRUNC), _refuse()]
_LACKS = _return(ERROR | errno.ENOSYS)
"""Of a question about a thread, which the C library takes as: there is nothing to be known."""


def _packed(instruction: Instruction) -> bytes:
    code, if_true, if_false, value = instruction
    return code.to_bytes(2, "little") + bytes((if_true, if_false)) + value.to_bytes(4, "little")
