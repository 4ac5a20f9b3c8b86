"""Asks about others by their numbers. Contained: no such process, or refused."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, escaped

for pid in AT.pids:
    for ask in (os.getsid, os.getpgid, os.sched_getaffinity, os.sched_getscheduler, os.pidfd_open):
        if attempt(ask, pid):
            escaped(f"{ask.__name__} of {pid}")
    if attempt(os.kill, pid, 0):
        escaped(f"signal 0 to {pid}")
