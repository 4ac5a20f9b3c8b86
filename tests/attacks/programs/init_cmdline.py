"""Reads in command lines where the run lies and what it is for. Contained: no path of outside is in them."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, contents, escaped

for pid in {1, 2, os.getppid(), "self"}:
    for name in ("cmdline", "environ", "mountinfo"):
        said = contents(f"/proc/{pid}/{name}")
        for path in (AT.home, AT.outside):
            if path.encode() in said:
                escaped(f"{name} of {pid} tells {path}")
