"""Undoes that it dies with its parent, and daemonizes. Contained: none left."""

import os
import signal
import sys
import time

sys.path.insert(0, ".")
from lever import libc

libc.prctl(1, 0, 0, 0, 0)
if os.fork() == 0:
    os.setsid()
    libc.prctl(1, 0, 0, 0, 0)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(20)
