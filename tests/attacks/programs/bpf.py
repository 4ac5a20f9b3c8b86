"""Loads a program into the kernel. Contained: refused."""

import ctypes
import sys

sys.path.insert(0, ".")
from lever import allowed, escaped

if allowed(321, 0, (ctypes.c_uint32 * 32)(2, 4, 4, 1), 128):
    escaped("a map in the kernel")
