"""Writes three times the memory into one file of memory. Contained: refused, cut or killed."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, held

file = os.memfd_create("x")
total = 0
while total < 3 * AT.memory_bytes:
    total += os.write(file, b"x" * 2**20)
held("bytes in a file of memory", total, AT.memory_bytes)
