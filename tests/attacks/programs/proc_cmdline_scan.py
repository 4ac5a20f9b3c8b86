"""Reads the command line of every process. Contained: only its own are to be seen."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, contents, leaked

for pid in {*AT.pids, *(attempt(os.listdir, "/proc") or [])}:
    leaked(contents(f"/proc/{pid}/cmdline"), f"command line of {pid}")
