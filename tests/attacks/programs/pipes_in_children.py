"""Fourteen processes fill all the pipes that each may have. Contained: some tens of MB."""

import contextlib
import os
import sys

sys.path.insert(0, ".")
from lever import children, held

reading, writing = os.pipe()


def fill(place):
    total = 0
    with contextlib.suppress(OSError):
        for _ in range(200):
            _, into = os.pipe()
            os.set_blocking(into, False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    total += os.write(into, b"x" * 65536)
    os.write(writing, total.to_bytes(8, "big"))


number = children(14, fill)
total = sum(int.from_bytes(os.read(reading, 8), "big") for _ in range(number))
held("bytes in pipes", total, 100 * 2**20)
