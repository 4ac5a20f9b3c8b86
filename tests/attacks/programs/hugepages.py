"""Maps huge pages, which are counted apart. Contained: refused or counted."""

import ctypes
import sys

sys.path.insert(0, ".")
from lever import AT, held, libc

total = 0
while total < 2 * AT.memory_bytes:
    page = libc.mmap(None, 2**22, 3, 0x40022, -1, ctypes.c_long(0))
    if page in (None, ctypes.c_void_p(-1).value):
        break
    ctypes.memset(page, 1, 2**22)
    total += 2**22
held("bytes of huge pages", total, AT.memory_bytes)
