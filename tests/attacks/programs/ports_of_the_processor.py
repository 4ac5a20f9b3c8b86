"""Reaches for input and output ports and the processor's tables. Contained: refused."""

import ctypes
import sys

sys.path.insert(0, ".")
from lever import allowed, escaped

if allowed(172, 3) or allowed(173, 0x80, 1, 1):
    escaped("ports")
if allowed(154, 1, (ctypes.c_uint32 * 4)(0, 0, 0xFFFFF, 0x51), 16):
    escaped("a table of the processor")
