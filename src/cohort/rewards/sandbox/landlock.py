"""Landlock: which files a process and its children may read, run and write, by path, for good.

What an older version does not know (truncation, devices, signals) is left out of what is asked for;
the filter of system calls stands in for it. Metadata is not guarded by any version: what exists, and
how large it is, can be found out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from cohort.rewards.sandbox import kernel
from cohort.rewards.sandbox.syscalls import ARCHITECTURES, machine

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
MAKE_CHARACTER, MAKE_BLOCK = 1 << 6, 1 << 11
FIRST_RIGHTS = (1 << 13) - 1
NET_RIGHTS = 3
SCOPES = 3
"""Abstract Unix sockets, and signals, of processes outside."""
PATH_BENEATH, ASK_VERSION = 1, 1

READ = EXECUTE | READ_FILE | READ_DIR
LOOK = READ_FILE | READ_DIR
WRITE = FIRST_RIGHTS & ~(MAKE_CHARACTER | MAKE_BLOCK) | REFER | TRUNCATE
USE = READ_FILE | WRITE_FILE | TRUNCATE
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV

Rule = tuple[str, int]
"""A path, and what is allowed at it and below."""


def version() -> int:
    """The version of Landlock's interface; 0 where the kernel has none, or it is off."""
    if sys.platform != "linux" or machine() not in ARCHITECTURES:
        return 0
    try:
        return kernel.call("landlock_create_ruleset", None, 0, ASK_VERSION)
    except OSError:
        return 0


def restrict(rules: Iterable[Rule], abi: int) -> None:
    """Forbid everything but the rules; a path that is not there is skipped. Raises OSError."""
    handled = FIRST_RIGHTS
    for since, right in ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEV)):
        handled |= right if abi >= since else 0
    fields = [handled, NET_RIGHTS if abi >= 4 else 0, SCOPES if abi >= 6 else 0]
    attribute = b"".join(n.to_bytes(8, "little") for n in fields)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = kernel.call("landlock_create_ruleset", attribute[:size], size, 0)
    try:
        for path, rights in rules:
            _allow(ruleset, path, rights & handled)
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        kernel.call("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return
    try:
        if not os.path.isdir(path):
            rights &= OF_FILES
        rule = rights.to_bytes(8, "little") + place.to_bytes(4, "little", signed=True)
        kernel.call("landlock_add_rule", ruleset, PATH_BENEATH, rule, 0)
    finally:
        os.close(place)
