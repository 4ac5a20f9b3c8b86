"""Handles page faults itself, which makes races in the kernel easy to win. Contained: refused."""

import os
import sys

sys.path.insert(0, ".")
from lever import allowed, attempt, escaped

if allowed(323, 0) or allowed(323, 1) or attempt(os.open, "/dev/userfaultfd", os.O_RDWR):
    escaped("page faults are its own")
