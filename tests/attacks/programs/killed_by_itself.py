"""Kills itself as a limit would. Contained: reported as a signal, not as a limit."""

import os
import signal

ENDS = ("signal", 9)
os.kill(os.getpid(), signal.SIGKILL)
