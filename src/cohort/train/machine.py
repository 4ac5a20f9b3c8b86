"""How fast a machine computes: known of a GPU by its name, tried on a CPU.

Figures of GPUs are those of their makers' data sheets: dense bfloat16 arithmetic, memory, its bandwidth.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from cohort.config.lookup import nearest
from cohort.errors import RecipeError, legible

GIB = 1 << 30
SIZE, TRIES = 512, 6
"""Of the matrices that are multiplied to find out, and how often."""
COPIED = 1 << 25
"""Numbers that are copied to find out."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a plan is for: floating-point operations and bytes of memory a second."""

    name: str
    device: str
    memory_bytes: int
    operations: float
    bandwidth: float
    threads: int = 1
    """Rows that are computed at a time."""
    process_bytes: int = 0
    """Resident in this process before there is a model: Python, torch and its libraries. 0: not measured."""


GPUS = {
    "RTX 3060": (12, 51e12, 360e9),
    "RTX 3090": (24, 71e12, 936e9),
    "RTX 4060 Ti": (16, 88e12, 288e9),
    "RTX 4080": (16, 195e12, 717e9),
    "RTX 4090": (24, 165e12, 1008e9),
    "RTX 5090": (32, 209e12, 1792e9),
    "RTX A6000": (48, 155e12, 768e9),
    "T4": (16, 65e12, 320e9),
    "L4": (24, 121e12, 300e9),
    "L40S": (48, 362e12, 864e9),
    "A10": (24, 125e12, 600e9),
    "A100 40GB": (40, 312e12, 1555e9),
    "A100 80GB": (80, 312e12, 2039e9),
    "H100": (80, 989e12, 3350e9),
    "H200": (141, 989e12, 4800e9),
    "B200": (180, 2250e12, 8000e9),
}
"""GiB of memory, operations and bytes a second."""


def gpu(name: str) -> Machine:
    """A GPU by its name, upper case or lower. Raises RecipeError for one that is not known."""
    known = {one.lower(): one for one in GPUS}
    found = known.get(name.strip().lower().removeprefix("nvidia ").removeprefix("geforce "))
    if found is None:
        near = nearest(name, GPUS)
        raise RecipeError(
            f"no GPU {legible(name)!r} is known; known are {', '.join(GPUS)}",
            f"did you mean {near!r}?" if near else "name one of like memory and speed",
        )
    gib, operations, bandwidth = GPUS[found]
    return Machine(found, "cuda", gib * GIB, operations, bandwidth)


def this_device(threads: int) -> Machine:
    """The CPU that this runs on, untried: how fast it is matters to no choice of settings."""
    return Machine("this CPU", "cpu", 0, 1.0, 1.0, threads or len(os.sched_getaffinity(0)))


def this_machine(threads: int) -> Machine:
    """The CPU that this runs on, tried for a tenth of a second."""
    count = threads or len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    process = resident_bytes()
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        operations, bandwidth = _multiplied(), _copied()
    finally:
        torch.set_num_threads(before)
    name = f"this CPU, {count} thread{'s' if count > 1 else ''}"
    return Machine(name, "cpu", memory, operations, bandwidth, count, process)


def resident_bytes() -> int:
    """What of this process is in memory at the moment; 0 where the system does not say so (not Linux)."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _multiplied() -> float:
    one = torch.ones(SIZE, SIZE)
    best = min(_seconds(lambda: one @ one) for _ in range(TRIES))
    return 2 * SIZE**3 / best


def _copied() -> float:
    source = torch.zeros(COPIED)
    target = torch.zeros(COPIED)
    best = min(_seconds(lambda: target.copy_(source)) for _ in range(TRIES))
    return 8 * COPIED / best


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
