"""Starts 2,000 threads with small stacks. Contained: it gets no more than a few hundred."""

import contextlib
import sys
import threading
import time

sys.path.insert(0, ".")
from lever import escaped

threading.stack_size(65536)
made = 0
with contextlib.suppress(RuntimeError):
    for _ in range(2000):
        threading.Thread(target=time.sleep, args=(2,), daemon=True).start()
        made += 1
if made > 256:
    escaped(f"{made} threads at once")
