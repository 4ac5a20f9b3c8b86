"""Locks shared files, so that others wait or can be told something. Contained: refused."""

import fcntl
import os
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, escaped

for path in (f"{AT.library}/library.py", AT.library, os.__file__, "/usr"):
    file = attempt(os.open, path, os.O_RDONLY)
    if file and attempt(fcntl.flock, file, fcntl.LOCK_EX | fcntl.LOCK_NB):
        escaped(f"flock on {path}")
