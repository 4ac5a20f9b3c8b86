"""Leaves a key in the kernel's store of its user; the next program looks for it. Contained: none."""

import sys

sys.path.insert(0, ".")
from lever import AT, allowed, escaped

TURNS = 2
if AT.turn == 1:
    allowed(248, b"user", b"left", b"42", 2, -4)
elif allowed(249, b"user", b"left", None, -4) or allowed(250, 10, -4, b"user", b"left", 0):
    escaped("a key that was left")
