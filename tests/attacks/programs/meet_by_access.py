"""Two programs at once speak by the times of a shared file. Contained: they stay."""

import os
import sys
import time

sys.path.insert(0, ".")
from lever import AT, attempt, escaped

TOGETHER = True
paths = (f"{AT.library}/library.py", os.__file__)
before = [os.stat(path).st_atime_ns for path in paths]
for number in range(15):
    for path in paths:
        if AT.turn == 1:
            attempt(os.utime, path, (number, number))
            attempt(os.open, path, os.O_RDWR)
    time.sleep(0.1)
after = [os.stat(path).st_mtime_ns for path in paths]
if any(time < 10**9 * 20 for time in after):
    escaped("it sets times of shared files")
