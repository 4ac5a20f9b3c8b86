"""Eight children each take 0.4 of the memory. Contained: the sum counts, not each for itself."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, children, held

reading, writing = os.pipe()


def take(place):
    global taken
    taken = b"x" * int(0.4 * AT.memory_bytes)
    os.write(writing, b".")


children(8, take)
number = 0
while number < 6:
    number += len(os.read(reading, 1))
held("bytes over all processes", int(0.4 * AT.memory_bytes) * number, AT.memory_bytes)
