"""Maps shared anonymous memory and touches it. Contained: refused or killed."""

import mmap
import sys

sys.path.insert(0, ".")
from lever import AT, held

taken = []
while len(taken) < 24:
    taken.append(mmap.mmap(-1, AT.memory_bytes // 8))
    taken[-1].write(b"x" * (AT.memory_bytes // 8))
held("bytes of shared memory", len(taken) * AT.memory_bytes // 8, AT.memory_bytes)
