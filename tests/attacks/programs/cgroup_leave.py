"""Moves itself to another control group. Contained: none in sight, or refused."""

import glob
import os
import sys

sys.path.insert(0, ".")
from lever import attempt, escaped

for path in glob.glob("/sys/fs/cgroup/**/cgroup.procs", recursive=True)[:50]:
    if attempt(os.open, path, os.O_WRONLY):
        escaped(f"{path} can be written")
