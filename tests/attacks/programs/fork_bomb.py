"""Doubles itself, to 255 processes at most. Contained: no more live at once than are allowed."""

import contextlib
import os
import sys
import time

sys.path.insert(0, ".")
from lever import AT, escaped

reading, writing = os.pipe()


def double(depth):
    os.write(writing, b".")
    for _ in range(2 if depth else 0):
        if os.fork() == 0:
            double(depth - 1)
            time.sleep(2)
            os._exit(0)


with contextlib.suppress(OSError):
    double(7)
time.sleep(0.7)
number = len(os.read(reading, 4096))
if number > 2 * AT.processes:
    escaped(f"{number} processes at once")
