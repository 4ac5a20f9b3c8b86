"""Takes a lease on shared files, so that whoever writes them waits 45 seconds. Contained: refused."""

import fcntl
import os
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, escaped

for path in (f"{AT.library}/library.py", os.__file__, sys.executable):
    file = attempt(os.open, path, os.O_RDONLY)
    for kind in (fcntl.F_RDLCK, fcntl.F_WRLCK) if file else ():
        if attempt(fcntl.fcntl, file, fcntl.F_SETLEASE, kind):
            escaped(f"a lease on {path}")
