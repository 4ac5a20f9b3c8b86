"""Hides its memory from all who look, and takes three times what it may. Contained: refused or killed."""

import sys

sys.path.insert(0, ".")
from lever import AT, held, libc

libc.prctl(4, 0, 0, 0, 0)
taken = [b"x" * (AT.memory_bytes // 8) + bytes([number]) for number in range(24)]
held("bytes of hidden memory", sum(map(len, taken)), AT.memory_bytes)
