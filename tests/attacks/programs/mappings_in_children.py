"""Fourteen processes make all the mappings that each may have. Contained: ended at the limit."""

import ctypes
import sys
import time

sys.path.insert(0, ".")
from lever import children

libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p


def divide(place):
    end = time.monotonic() + 2
    for number in range(65_000):
        libc.mmap(None, 4096, 1 + 2 * (number % 2), 0x22, -1, ctypes.c_long(0))
        if time.monotonic() > end:
            break


children(14, divide)
time.sleep(2)
