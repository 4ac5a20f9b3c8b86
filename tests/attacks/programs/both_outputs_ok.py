"""Writes to its output and its errors, 60,000 bytes each. Contained: all of it arrives."""

import sys

sys.path.insert(0, ".")
from lever import worked

WORKS = True
ENDS = ("exited", 0)
sys.stdout.write("o" * 60_000)
sys.stderr.write("e" * 60_000)
sys.stdout.flush()
worked()
