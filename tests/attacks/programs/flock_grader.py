"""Takes hold of a file outside and locks it. Contained: it cannot be opened in any way."""

import fcntl
import os
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, escaped

for path in (AT.secret, AT.public):
    for flags in (os.O_RDONLY, os.O_PATH, os.O_RDONLY | os.O_NOATIME):
        file = attempt(os.open, path, flags)
        if file:
            escaped(f"opened {path} with {flags:#o}")
            if attempt(fcntl.flock, file, fcntl.LOCK_EX | fcntl.LOCK_NB):
                escaped(f"locked {path}")
