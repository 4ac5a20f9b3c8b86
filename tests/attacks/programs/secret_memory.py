"""Takes memory that even the kernel cannot read. Contained: refused or small."""

import contextlib
import mmap
import os
import sys

sys.path.insert(0, ".")
from lever import AT, call, held

total = 0
with contextlib.suppress(OSError):
    while total < 2 * AT.memory_bytes:
        file = call(447, 0)
        os.ftruncate(file, 2**20)
        mmap.mmap(file, 2**20).write(b"x" * 2**20)
        total += 2**20
held("bytes of secret memory", total, AT.memory_bytes)
