"""Takes locks of the other kind on shared files, for reading. Contained: refused."""

import fcntl
import os
import struct
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, escaped

asked = struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 0, 0, 0)
for path in (f"{AT.library}/library.py", os.__file__):
    file = os.open(path, os.O_RDONLY)
    for kind in (fcntl.F_SETLK, 37):
        if attempt(fcntl.fcntl, file, kind, asked):
            escaped(f"a lock on {path}")
