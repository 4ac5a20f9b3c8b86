"""What of this machine a program may see: the interpreter, the system's folders, the user it runs as."""

from __future__ import annotations

import functools
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from cohort.errors import RewardError
from cohort.rewards.sandbox.starter import interpreter

FIRST_USER = 0x70000000
"""As root, programs run as users from here on that nobody else is: this, and the number of a process."""

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/etc/ld.so.cache", "/nix/store")

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
    """From where on to take the number of the user to become; None for who we are, which is not root."""
    return FIRST_USER if os.geteuid() == 0 else None


def command(words: tuple[str, ...], tier: str) -> list[str]:
    """A command with an absolute first word. Raises RewardError."""
    if words[0] == "python":
        return [_python(tier), *ISOLATED, *words[1:]]
    if not words[0].startswith("/"):
        raise RewardError(
            f"a command in the sandbox begins with an absolute path, not {words[0]!r}",
            'or with "python", the interpreter',
        )
    return list(words)


@functools.cache
def _python(tier: str) -> str:
    """This interpreter; where root's programs become a user who cannot reach it, the system's of its kind.

    In namespaces it is put where it can be reached.
    """
    ours = interpreter()
    if tier != "landlock" or user() is None or _is_open(ours):
        return ours
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for folder in ("/usr/bin", "/usr/local/bin"):
        other = os.path.realpath(f"{folder}/{name}")
        if os.path.exists(other) and _is_open(other):
            return other
    raise RewardError(
        f"a user who is not root cannot reach {ours}, and there is no {name} in /usr/bin",
        "install Python where everybody can read it, or do not run as root",
    )


def _is_open(path: str) -> bool:
    return all(os.stat(place).st_mode & 0o1 for place in (path, *map(str, Path(path).parents)))


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The program's whole environment."""
    return ENVIRONMENT | dict(given)


def readable(given: Iterable[Path]) -> list[str]:
    """Every folder and file of the machine that a program sees; links are kept as links."""
    prefixes = (sys.base_prefix, sys.base_exec_prefix)
    python = [*prefixes, *map(os.path.realpath, prefixes), interpreter()]
    wanted = [*SYSTEM, *python, *(os.path.abspath(path) for path in given)]
    there = [path for path in dict.fromkeys(wanted) if os.path.exists(path)]
    real = [path for path in there if path not in SYSTEM or not os.path.islink(path)]
    return [path for path in real if not _is_in_another(path, real)]


def temporary() -> str:
    """Where folders for a while are made."""
    return tempfile.gettempdir()


def _is_in_another(path: str, others: list[str]) -> bool:
    return any(other != path and Path(other) in Path(path).parents for other in others)
