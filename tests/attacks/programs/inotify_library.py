"""Watches when others read files of the library. Contained: refused."""

import os
import sys
import time

sys.path.insert(0, ".")
from lever import AT, call, escaped

file = call(294, 0o4000)
for path in (f"{AT.library}/library.py", AT.library):
    call(254, file, path.encode(), 0xFFF)
    time.sleep(0.5)
    if os.read(file, 4096):
        escaped("it sees what others read")
