"""Has the kernel send a signal to others when a socket has news. Contained: they hear nothing."""

import fcntl
import os
import signal
import socket
import sys
import time

sys.path.insert(0, ".")
from lever import AT, attempt

F_SETSIG = 10
for pid in (*AT.pids, *(-pid for pid in AT.pids)):
    near, far = socket.socketpair()
    attempt(fcntl.fcntl, near, fcntl.F_SETOWN, pid)
    attempt(fcntl.fcntl, near, F_SETSIG, signal.SIGUSR1)
    attempt(fcntl.fcntl, near, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    far.send(b"news")
time.sleep(0.1)
