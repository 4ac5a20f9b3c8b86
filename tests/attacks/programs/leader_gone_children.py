"""Four children without a first thread take 0.6 of the memory each. Contained: the sum is cut."""

import os
import sys
import threading
import time

sys.path.insert(0, ".")
from lever import AT, children, escaped, libc

reading, writing = os.pipe()


def take():
    time.sleep(0.3)
    taken = b"x" * int(0.6 * AT.memory_bytes)
    time.sleep(0.5)
    os.write(writing, taken[:1])
    time.sleep(0.5)


def lose_the_leader(place):
    threading.Thread(target=take).start()
    libc.syscall(60, 0)


children(4, lose_the_leader)
for _ in range(3):
    os.read(reading, 1)
escaped("0.6 of the memory, three times")
