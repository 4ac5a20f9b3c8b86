"""Makes 200,000 timers of the kernel. Contained: a small number."""

import contextlib
import ctypes
import sys

sys.path.insert(0, ".")
from lever import call, held

made, number = 0, ctypes.c_int()
with contextlib.suppress(OSError):
    while made < 200_000:
        call(222, 1, None, ctypes.byref(number))
        made += 1
held("timers", made, 4096)
