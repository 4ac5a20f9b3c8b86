"""Signals processes outside. Contained: they hear nothing."""

import os
import signal
import sys

sys.path.insert(0, ".")
from lever import AT, attempt

for pid in AT.pids:
    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP, signal.SIGCONT):
        attempt(os.kill, pid, number)
