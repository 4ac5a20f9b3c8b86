"""Signals single threads of others. Contained: they hear nothing."""

import signal
import sys

sys.path.insert(0, ".")
from lever import AT, allowed

for pid in AT.pids:
    allowed(234, pid, pid, signal.SIGUSR2)
    allowed(200, pid, signal.SIGUSR2)
