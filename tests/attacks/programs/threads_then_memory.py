"""Takes memory in many threads at once, each in an arena of its own. Contained: refused or killed."""

import sys
import threading

sys.path.insert(0, ".")
from lever import AT, held

taken = []


def take():
    taken.append(b"x" * (AT.memory_bytes // 6))


threads = [threading.Thread(target=take) for _ in range(10)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
held("bytes in threads", sum(map(len, taken)), AT.memory_bytes)
