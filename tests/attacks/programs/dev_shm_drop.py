"""Drops a file in the shared memory of the machine. Contained: nothing appears there."""

import pathlib
import sys

sys.path.insert(0, ".")
from lever import AT

pathlib.Path("/dev/shm", AT.mark).write_text("dropped")
