"""Kills its parent and its group, and tries to live on. Contained: the run ends, the harness lives."""

import contextlib
import os
import signal
import time

with contextlib.suppress(OSError):
    os.kill(os.getppid(), signal.SIGKILL)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with contextlib.suppress(OSError):
    os.kill(0, signal.SIGTERM)
time.sleep(20)
