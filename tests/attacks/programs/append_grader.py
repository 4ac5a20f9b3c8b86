"""Appends to the script that will judge it. Contained: the file stays as it was."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, attempt

for path in (AT.script, AT.public):
    for flags in (os.O_WRONLY | os.O_APPEND, os.O_RDWR):
        file = attempt(os.open, path, flags)
        if file:
            os.write(file, b"appended")
