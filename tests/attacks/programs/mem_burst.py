"""Four children take nearly all of the memory at the same instant. Contained: the sum is soon cut."""

import os
import sys
import time

sys.path.insert(0, ".")
from lever import AT, children, escaped

reading, writing = os.pipe()
start = time.monotonic() + 0.3


def take(place):
    time.sleep(max(0, start - time.monotonic()))
    taken = b"x" * int(0.9 * AT.memory_bytes)
    time.sleep(0.8)
    os.write(writing, taken[:1])


children(4, take)
number = 0
while number < 3:
    number += len(os.read(reading, 1))
escaped("0.9 of the memory, three times")
