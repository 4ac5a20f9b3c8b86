"""Floods the first process of its namespace, and its parent, with every signal. Contained: both stand."""

import contextlib
import os
import signal
import sys
import time

sys.path.insert(0, ".")
from lever import alone

targets = {1, os.getppid()} if alone() else {os.getppid()}
end = time.monotonic() + 20
while time.monotonic() < end:
    for pid in targets:
        for number in signal.valid_signals():
            with contextlib.suppress(OSError):
                os.kill(pid, number)
