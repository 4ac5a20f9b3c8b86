"""Two programs at once share a segment by its key. Contained: they have one each, or none."""

import ctypes
import sys
import time

sys.path.insert(0, ".")
from lever import AT, allowed, call, escaped

TOGETHER = True
segment = call(29, AT.shm_key + 40, 4096, 0o1666)
address = call(30, segment, None, 0)
try:
    for _ in range(15):
        ctypes.memset(address + AT.turn, AT.turn, 1)
        if ctypes.string_at(address + 3 - AT.turn, 1) != b"\0":
            escaped("they share memory")
        time.sleep(0.1)
finally:
    allowed(31, segment, 0, None)
