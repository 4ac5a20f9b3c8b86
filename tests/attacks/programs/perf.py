"""Counts what the processor does, in itself and in others. Contained: refused."""

import ctypes
import os
import sys

sys.path.insert(0, ".")
from lever import allowed, escaped

asked = (ctypes.c_uint32 * 32)(1, 128, 1)
for pid in (0, -1, os.getppid()):
    if allowed(298, asked, pid, 0 if pid == -1 else -1, -1, 0):
        escaped(f"counts for {pid}")
