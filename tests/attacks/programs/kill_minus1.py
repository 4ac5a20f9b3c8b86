"""Signals everybody. Contained: nobody outside hears it.

It begins with a signal that is ignored by default, and goes on to one that kills only where it cannot
see, reach or be a stranger: as no root, with no victim within reach and few processes in sight.
"""

import contextlib
import os
import signal
import sys

sys.path.insert(0, ".")
from lever import AT, escaped

signal.signal(signal.SIGURG, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)


def reaches(pid):
    with contextlib.suppress(OSError):
        os.kill(pid, 0)
        return True
    return False


if os.getuid() == 0 or any(reaches(pid) for pid in AT.pids):
    escaped("it is root, or others can be signalled")
else:
    with contextlib.suppress(OSError):
        os.kill(-1, signal.SIGURG)
    if len([name for name in os.listdir("/proc") if name.isdigit()]) <= 2 * AT.processes:
        os.kill(-1, signal.SIGTERM)
