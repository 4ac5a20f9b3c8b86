"""Opens its own pipes again for the other direction. Contained: nothing of others comes through them."""

import os
import sys

sys.path.insert(0, ".")
from lever import attempt, escaped, leaked

for number in (0, 1, 2):
    file = attempt(os.open, f"/proc/self/fd/{number}", os.O_RDWR | os.O_NONBLOCK)
    if file:
        leaked(attempt(os.read, file, 4096) or b"", f"descriptor {number}")
        attempt(os.write, file, b"spoken into it")
    if attempt(os.lseek, number, 0, os.SEEK_SET) is not None and os.fstat(number).st_nlink > 0:
        kind = os.readlink(f"/proc/self/fd/{number}")
        if not kind.startswith("/dev/"):
            escaped(f"descriptor {number} is the file {kind}")
