"""Leaves a segment, semaphores and a message queue; the next program looks for them. Contained: none."""

import sys

sys.path.insert(0, ".")
from lever import AT, allowed, escaped

TURNS = 2
for number, arguments in ((29, (64,)), (64, (2,)), (68, ())):
    key = AT.shm_key + 30
    if AT.turn == 1:
        allowed(number, key, *arguments, 0o1600)
    elif allowed(number, key, *arguments, 0):
        escaped(f"what call {number} left")
