"""Reads how another's memory is laid out. Contained: no such process, or refused."""

import sys

sys.path.insert(0, ".")
from lever import AT, contents, escaped

for pid in AT.pids:
    for name in ("maps", "smaps", "smaps_rollup", "pagemap", "auxv", "syscall", "stack"):
        if contents(f"/proc/{pid}/{name}"):
            escaped(f"{name} of {pid}")
