"""Collects its orphans itself and leaves them behind. Contained: none left."""

import os
import sys
import time

sys.path.insert(0, ".")
from lever import libc

libc.prctl(36, 1, 0, 0, 0)
for _ in range(4):
    if os.fork() == 0:
        if os.fork() == 0:
            time.sleep(20)
        os._exit(0)
