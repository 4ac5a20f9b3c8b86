"""Moves, compares and advises the memory of others. Contained: refused."""

import ctypes
import os
import sys

sys.path.insert(0, ".")
from lever import AT, allowed, escaped

for pid in AT.pids:
    if allowed(279, pid, 0, None, None, None, 0) or allowed(256, pid, 0, None, None):
        escaped(f"pages of {pid}")
    if allowed(312, pid, os.getpid(), 1, 0, 0) or allowed(312, os.getpid(), pid, 0, 0, 1):
        escaped(f"compared with {pid}")
    if allowed(274, pid, ctypes.byref(ctypes.c_void_p()), ctypes.byref(ctypes.c_size_t())):
        escaped(f"locks of {pid}")
