"""Lowers the limits of others. Contained: they stay, and cannot be read."""

import resource
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, escaped

for pid in AT.pids:
    if attempt(resource.prlimit, pid, resource.RLIMIT_NOFILE):
        escaped(f"limits of {pid}")
        attempt(resource.prlimit, pid, resource.RLIMIT_NOFILE, (64, 64))
