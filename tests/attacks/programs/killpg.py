"""Signals the groups and sessions of others. Contained: they hear nothing."""

import os
import signal
import sys

sys.path.insert(0, ".")
from lever import AT, attempt

for pid in AT.pids:
    for number in (signal.SIGUSR1, signal.SIGURG):
        attempt(os.killpg, pid, number)
        attempt(os.setpgid, pid, os.getpgrp())
