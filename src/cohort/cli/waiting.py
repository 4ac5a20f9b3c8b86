"""How torch's threads wait for each other; to be chosen before torch is imported.

OpenMP's threads spin at the end of every operation until the others are there. On a quiet machine
that is fastest. Where another program has one of the cores, a spinning thread keeps the one it
waits for from running: the demo was measured at a fortieth of its speed then. Sleeping threads
cost a quiet machine almost half of its speed and a busy one little. So it is decided by looking.
Results do not depend on it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

GLANCE_SECONDS = 0.15
BUSY_SHARE = 0.1
"""The share of the machine that others use from which on threads sleep."""


def choose_waiting() -> None:
    """Let threads sleep where other programs are busy; what the user has set is left alone."""
    if {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        return
    if busy_share(GLANCE_SECONDS) > BUSY_SHARE:
        os.environ["GOMP_SPINCOUNT"] = "0"


def busy_share(seconds: float) -> float:
    """The share of all cores that was not idle for that long; 0 where the system does not say."""
    before = _ticks()
    time.sleep(seconds)
    spent = [now - then for now, then in zip(_ticks(), before, strict=True)]
    return 1.0 - spent[_IDLE] / sum(spent) if sum(spent) else 0.0


_IDLE = 3


def _ticks() -> list[int]:
    """Clock ticks of all cores by use: user, nice, system, idle (idle and waiting for the disk)."""
    stat = Path("/proc/stat")
    if not stat.is_file():
        return [0, 0, 0, 0]
    user, nice, system, idle, waiting, *_ = map(int, stat.read_text().split()[1:8])
    return [user, nice, system, idle + waiting]
