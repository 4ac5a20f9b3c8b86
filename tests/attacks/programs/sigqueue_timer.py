"""Queues signals with a forged sender to others. Contained: they hear nothing."""

import ctypes
import signal
import sys

sys.path.insert(0, ".")
from lever import AT, allowed

forged = (ctypes.c_int * 32)(signal.SIGUSR1, 0, -1)
for pid in AT.pids:
    allowed(129, pid, signal.SIGUSR1, forged)
    allowed(297, pid, pid, signal.SIGUSR1, forged)
