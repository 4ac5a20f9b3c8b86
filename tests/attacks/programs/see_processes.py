"""Counts the processes of the machine. Contained: it sees its own."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, escaped

seen = [int(name) for name in attempt(os.listdir, "/proc") or [] if name.isdigit()]
if set(seen) & set(AT.pids) or len(seen) > 2 * AT.processes:
    escaped(f"sees {len(seen)} processes")
