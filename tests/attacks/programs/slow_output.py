"""Writes one byte now and then, so that a reader has always news. Contained: ended at the limit."""

import os
import time

ENDS = ("wall", None)
for _ in range(400):
    os.write(1, b".")
    time.sleep(0.05)
