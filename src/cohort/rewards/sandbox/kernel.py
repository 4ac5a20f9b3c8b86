"""The kernel's own calls, as this sandbox needs them, by ctypes: nothing is installed for it.

A call that fails raises OSError with its name. Numbers of calls are those of `syscalls.py`.
"""

from __future__ import annotations

import ctypes
import os

from cohort.rewards.sandbox.syscalls import number

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
CLONE_THREAD = 0x10000

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 0x2, 0x4, 0x8, 0x4000, 0x40000
MNT_DETACH = 2
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 1, 2, 4, 8
AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE = -100, 0x1000, 0x8000
OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC = 1, os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 4

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP = 1, 4, 22, 24
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
SECCOMP_MODE_FILTER = 2
CAPABILITY_VERSION, LAST_CAPABILITY = 0x20080522, 63
CLOSE_RANGE_CLOEXEC = 4
NO_END = 2**32 - 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def call(name: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """A system call by name. Raises OSError."""
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result: int = _libc.syscall(ctypes.c_long(number(name)), *words)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


def prctl(option: int, value: int = 0, *more: int) -> int:
    """What a process says of itself. Raises OSError."""
    return call("prctl", option, value, *more, *[0] * (3 - len(more)))


def mount(kind: str, where: str, flags: int, data: str = "", source: str = "none") -> None:
    """Mount a file system of a kind, or with kind "" change what is mounted."""
    words = [text.encode() or None for text in (source, where, kind)]
    call("mount", *words, flags, data.encode() or None)


def open_tree(path: str) -> int:
    """A copy of what is at a path and below, as a mount that is not attached anywhere."""
    flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE
    return call("open_tree", AT_FDCWD, path.encode(), flags)


def set_mount(where: int | str, attributes: int, *, recursive: bool) -> None:
    """Set attributes of a mount: a path, or a descriptor of `open_tree`."""
    wanted = b"".join(n.to_bytes(8, "little") for n in (attributes, 0, 0, 0))
    flags = AT_RECURSIVE if recursive else 0
    if isinstance(where, int):
        call("mount_setattr", where, b"", flags | AT_EMPTY_PATH, wanted, len(wanted))
    else:
        call("mount_setattr", AT_FDCWD, where.encode(), flags, wanted, len(wanted))


def attach(tree: int, path: str) -> None:
    """Attach a tree at a path."""
    call("move_mount", tree, b"", AT_FDCWD, path.encode(), MOVE_MOUNT_F_EMPTY_PATH)


def drop_capabilities() -> None:
    """Give up every capability, for good and for every program that is started."""
    for capability in range(LAST_CAPABILITY + 1):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:  # beyond the last one, or no right to drop it, which is none to use it
            break
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = CAPABILITY_VERSION.to_bytes(4, "little") + bytes(4)
    call("capset", header, bytes(24))


def forget_arguments() -> None:
    """Overwrite this process's command line, which others may read in /proc, by nothing."""
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    begin, end = int(fields[45]), int(fields[46])
    if 0 < begin < end:
        ctypes.memset(begin, 0, end - begin)
