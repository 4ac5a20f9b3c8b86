"""What of this machine a program may see: the interpreter, the system's folders, the user it runs as."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from cohort.errors import RewardError
from cohort.rewards.sandbox.starter import interpreter

FIRST_USER = 0x70000000
"""As root, programs run as a user from here on that nobody else is: this, and the number of our process."""

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/etc/ld.so.cache")

ISOLATED = ("-s", "-P", "-S", "-B", "-X", "utf8")
"""As -I -S, but that PYTHONHASHSEED is read: nothing else of PYTHON... is in the environment."""

ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",
    "TMPDIR": "/tmp",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
"""All that a program's environment holds beside what it is given."""


def user() -> int | None:
    """The user to become: None for who we are, unless that is root."""
    return FIRST_USER + os.getpid() if os.geteuid() == 0 else None


def command(words: tuple[str, ...]) -> list[str]:
    """A command with an absolute first word. Raises RewardError."""
    if words[0] == "python":
        return [interpreter(), *ISOLATED, *words[1:]]
    if not words[0].startswith("/"):
        raise RewardError(
            f"a command in the sandbox begins with an absolute path, not {words[0]!r}",
            'or with "python", the interpreter',
        )
    return list(words)


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The program's whole environment."""
    return ENVIRONMENT | dict(given)


def readable(given: Iterable[Path]) -> list[str]:
    """Every folder and file of the machine that a program sees; links are kept as links."""
    wanted = [*SYSTEM, sys.base_prefix, sys.base_exec_prefix, *(os.path.abspath(p) for p in given)]
    there = [path for path in dict.fromkeys(wanted) if os.path.exists(path)]
    real = [path for path in there if path not in SYSTEM or not os.path.islink(path)]
    return [path for path in real if not _is_in_another(path, real)]


def temporary() -> str:
    """Where folders for a while are made."""
    return tempfile.gettempdir()


def _is_in_another(path: str, others: list[str]) -> bool:
    return any(other != path and Path(other) in Path(path).parents for other in others)
