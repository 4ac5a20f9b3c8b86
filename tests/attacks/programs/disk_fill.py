"""Fills whatever folder can be written to, with 4 MB files. Contained: the quota ends it."""

import contextlib
import os
import sys

sys.path.insert(0, ".")
from lever import AT, FOLDERS, held

total, written = 0, []
for folder in FOLDERS:
    with contextlib.suppress(OSError):
        for number in range(20):
            path = f"{folder}/{AT.mark}-fill-{number}"
            with open(path, "wb", buffering=0) as file:
                written.append(path)
                while total < 4 * AT.disk_bytes and file.tell() < 2**22:
                    total += file.write(b"x" * 2**18)
held("bytes on disk", total, int(1.5 * AT.disk_bytes))
for path in written:
    os.unlink(path)
