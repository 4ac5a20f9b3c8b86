"""Reads where links outside lead, which belongs to no right to read. Contained: refused, or not there."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, leaked

for path in (AT.link, f"/proc/{AT.pids[0]}/exe", f"/proc/{AT.pids[0]}/cwd"):
    leaked((attempt(os.readlink, path) or "").encode(), path)
