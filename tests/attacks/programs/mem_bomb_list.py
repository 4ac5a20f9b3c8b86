"""Takes memory in small objects. Contained: refused or killed."""

import sys

sys.path.insert(0, ".")
from lever import AT, held

taken = []
while len(taken) * 4096 < 3 * AT.memory_bytes:
    taken.append(bytearray(b"x" * 4096))
held("bytes of memory", len(taken) * 4096, AT.memory_bytes)
