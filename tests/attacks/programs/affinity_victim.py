"""Binds others to one processor. Contained: they stay where they were."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, escaped

for pid in AT.pids:
    if attempt(os.sched_setaffinity, pid, {min(os.sched_getaffinity(0))}):
        escaped(f"bound {pid}")
