"""Queues 200,000 signals to itself, of which every user has only so many. Contained: a small number."""

import ctypes
import os
import signal
import sys

sys.path.insert(0, ".")
from lever import allowed, held

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGRTMIN})
forged = (ctypes.c_int * 32)(signal.SIGRTMIN, 0, -1)
made = 0
while made < 200_000 and allowed(129, os.getpid(), int(signal.SIGRTMIN), forged):
    made += 1
held("queued signals", made, 4096)
