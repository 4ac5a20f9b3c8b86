"""Makes 60,000 mappings. Contained: ended or refused, nobody else is slowed."""

import ctypes
import mmap
import sys

sys.path.insert(0, ".")
from lever import libc

for number in range(60_000):
    way = mmap.PROT_READ if number % 2 else mmap.PROT_READ | mmap.PROT_WRITE
    libc.mmap(None, 4096, way, 0x22, -1, ctypes.c_long(0))
