"""Leaves its memory to orphans and ends the process that the run began with. Contained: its end is theirs."""

import os
import sys
import time

sys.path.insert(0, ".")
from lever import AT

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        taken = b"x" * int(0.5 * AT.memory_bytes)
        time.sleep(3)
        os.write(1, b"\nESCAPED: an orphan lives\n" + taken[:1])
        os._exit(0)
os._exit(0)
