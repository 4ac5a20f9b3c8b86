"""Signals others through handles. Contained: they hear nothing."""

import signal
import sys

sys.path.insert(0, ".")
from lever import AT, allowed, attempt, call

for pid in AT.pids:
    handle = attempt(call, 434, pid, 0)
    if handle:
        allowed(424, handle, signal.SIGUSR1, None, 0)
        allowed(448, handle, 0)  # process_mrelease
