"""Has stack dumps written to every descriptor again and again. Contained: the output is cut."""

import contextlib
import faulthandler
import time

for number in range(3, 64):
    with contextlib.suppress(OSError, ValueError):
        faulthandler.dump_traceback(number)
faulthandler.dump_traceback_later(0.01, repeat=True, file=2)
time.sleep(2)
