"""Signals everybody. Contained: nobody outside hears it.

It begins with a signal that is ignored by default, and goes on to one that ends others only where no
stranger is within reach or in sight.
"""

import contextlib
import os
import signal
import sys

sys.path.insert(0, ".")
from lever import AT, alone, escaped

signal.signal(signal.SIGURG, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if not alone():
    escaped("it is root, or others can be signalled")
else:
    with contextlib.suppress(OSError):
        os.kill(-1, signal.SIGURG)
    if len([name for name in os.listdir("/proc") if name.isdigit()]) <= 2 * AT.processes:
        os.kill(-1, signal.SIGTERM)
