"""Handles the signal of a forbidden call, so as to go on trying. Contained: no call becomes possible."""

import signal
import sys

sys.path.insert(0, ".")
from lever import escaped, libc

signal.signal(signal.SIGSYS, lambda *_: None)
libc.syscall(0x40000000 + 39)
if libc.syscall(272, 0x10000000) == 0 or libc.syscall(161, b"/tmp") == 0:
    escaped("a forbidden call")
