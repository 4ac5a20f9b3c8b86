"""Makes the pipes that it shares with its reader return at once or shrink. Contained: all output arrives."""

import fcntl
import os
import sys
import termios
import time

sys.path.insert(0, ".")
from lever import attempt

ENDS = ("exited", 0)
for number in (0, 1, 2):
    attempt(fcntl.ioctl, number, termios.FIONBIO, b"\1\0\0\0")
    attempt(os.set_blocking, number, False)
    attempt(fcntl.fcntl, number, 1031, 4096)  # F_SETPIPE_SZ
    attempt(fcntl.fcntl, number, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
time.sleep(0.3)
os.write(1, b"done")
