"""Fills memory files and becomes a program that looks small. Contained: killed."""

import contextlib
import os
import sys

sys.path.insert(0, ".")
from lever import AT, held

if len(sys.argv) > 1:
    held("bytes in inherited files", int(sys.argv[1]), int(1.3 * AT.memory_bytes))
else:
    total = 0
    for _ in range(64):
        file = os.memfd_create("x", 0)
        with contextlib.suppress(OSError):
            for _ in range(12):
                total += os.write(file, b"x" * 2**20)
    os.execv(sys.executable, [sys.executable, "-I", "-S", "main.py", str(total)])
