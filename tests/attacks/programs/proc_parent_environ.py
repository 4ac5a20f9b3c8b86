"""Reads the environment of its parents. Contained: nothing of the environment outside is in it."""

import os
import sys

sys.path.insert(0, ".")
from lever import contents, leaked

for pid in (os.getppid(), 1, 2):
    leaked(contents(f"/proc/{pid}/environ"), f"environment of {pid}")
