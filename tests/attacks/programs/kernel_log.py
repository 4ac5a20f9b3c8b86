"""Reads the kernel's log. Contained: refused."""

import ctypes
import sys

sys.path.insert(0, ".")
from lever import allowed, escaped

if allowed(103, 3, ctypes.create_string_buffer(4096), 4096) or allowed(103, 10, None, 0):
    escaped("the kernel's log")
