"""Reads every descriptor that it was given. Contained: none but the three, and they hold nothing."""

import os
import sys

sys.path.insert(0, ".")
from lever import attempt, leaked

for number in range(3, 4096):
    if attempt(os.fstat, number):
        os.set_blocking(number, False)
        leaked(attempt(os.pread, number, 4096, 0) or b"", f"descriptor {number}")
        leaked(attempt(os.read, number, 4096) or b"", f"descriptor {number}")
