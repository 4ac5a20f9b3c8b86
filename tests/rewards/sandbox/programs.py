"""Programs to run, and what is left of them."""

import os
from pathlib import Path

from cohort.rewards.sandbox.program import Limits, Program


def python(code: str, **limits: float) -> Program:
    """A Python program."""
    return Program(files={"main.py": code.encode()}, limits=Limits(**limits))


def family(pid: int) -> set[int]:
    """Every process below a process."""
    found: set[int] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid:
            found |= {int(stat.parent.name)} | family(int(stat.parent.name))
    return found


def descriptors() -> int:
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))
