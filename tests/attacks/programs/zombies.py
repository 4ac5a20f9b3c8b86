"""Leaves 500 children unburied. Contained: they count as processes, so few can be made."""

import contextlib
import os
import sys

sys.path.insert(0, ".")
from lever import AT, escaped

made = 0
with contextlib.suppress(OSError):
    for _ in range(500):
        if os.fork() == 0:
            os._exit(0)
        made += 1
if made > 2 * AT.processes:
    escaped(f"{made} zombies")
