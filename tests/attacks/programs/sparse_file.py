"""Makes a file of a terabyte that holds nothing. Contained: too large for the limit on files."""

import os
import signal
import sys

sys.path.insert(0, ".")
from lever import AT, FOLDERS, attempt, escaped

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for folder in FOLDERS:
    path = f"{folder}/{AT.mark}-sparse"
    file = attempt(os.open, path, os.O_CREAT | os.O_RDWR)
    if file and attempt(os.ftruncate, file, 2**40):
        escaped("a file of a terabyte")
        os.unlink(path)
