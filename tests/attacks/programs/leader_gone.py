"""Ends its first thread, after which /proc tells no memory of it, and takes too much. Contained: cut."""

import sys
import threading
import time

sys.path.insert(0, ".")
from lever import AT, held, libc


def take():
    time.sleep(0.3)
    taken = b"x" * int(1.5 * AT.memory_bytes)
    held("bytes of a process without a leader", len(taken), AT.memory_bytes)


threading.Thread(target=take).start()
libc.syscall(60, 0)
