"""Takes memory as a stack that grows, and as locked pages. Contained: refused or killed."""

import ctypes
import sys

sys.path.insert(0, ".")
from lever import AT, held, libc

taken = 0
while taken < 3 * AT.memory_bytes:
    page = libc.mmap(None, 2**24, 3, 0x22 | 0x100 | 0x8000, -1, ctypes.c_long(0))
    if page in (None, ctypes.c_void_p(-1).value):
        break
    ctypes.memset(page, 1, 2**24)
    taken += 2**24
held("bytes of mapped memory", taken, AT.memory_bytes)
