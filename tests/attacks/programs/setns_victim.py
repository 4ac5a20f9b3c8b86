"""Joins the namespaces of others. Contained: refused, or none in sight."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, allowed, attempt, call, escaped

for pid in (*AT.pids, 1, os.getppid()):
    for kind in ("user", "mnt", "net", "pid", "ipc", "uts"):
        file = attempt(os.open, f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
        if file and allowed(308, file, 0):
            escaped(f"joined {kind} of {pid}")
    handle = attempt(call, 434, pid, 0)
    if handle and allowed(308, handle, 0x7C020000):
        escaped(f"joined all of {pid}")
