"""Touches one page in every 2 MB of a huge mapping, which costs tables. Contained: no room for it."""

import mmap
import sys

sys.path.insert(0, ".")
from lever import AT, held

size = 400 * AT.memory_bytes
space = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)
touched = 0
for place in range(0, size, 2**21):
    space[place] = 1
    touched += 8192
held("bytes of pages and tables", touched, AT.memory_bytes)
