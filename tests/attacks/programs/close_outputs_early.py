"""Closes all that it was given and stays. Contained: a closed pipe is no end; ended at the limit."""

import os
import time

ENDS = ("wall", None)
os.closerange(0, 4096)
time.sleep(20)
