"""Takes open files of others. Contained: refused."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, call, escaped, leaked

for pid in AT.pids:
    handle = attempt(call, 434, pid, 0)
    for number in range(0, 32) if handle else ():
        taken = attempt(call, 438, handle, number, 0)
        if taken:
            escaped(f"took descriptor {number} of {pid}")
            leaked(attempt(os.pread, taken, 4096, 0) or b"", "its content")
