"""Stops whoever might end it, and goes on. Contained: ended at the limit all the same."""

import os
import signal
import sys
import time

sys.path.insert(0, ".")
from lever import alone, attempt

for pid in {1, os.getppid()} if alone() else {os.getppid()}:
    attempt(os.kill, pid, signal.SIGSTOP)
time.sleep(20)
