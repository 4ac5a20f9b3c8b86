"""Searches its own memory for what was left in it by whoever started it. Contained: nothing is."""

import contextlib
import sys

sys.path.insert(0, ".")
from lever import leaked

with open("/proc/self/maps", "rb") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
    for line in maps.read().splitlines():
        first, last = (int(edge, 16) for edge in line.split()[0].split(b"-"))
        if line.split()[1].startswith(b"r") and last - first < 2**27:
            with contextlib.suppress(OSError, ValueError, OverflowError):
                memory.seek(first)
                leaked(memory.read(last - first), "own memory")
