"""Puts pipes with names where a judge might read, so that it waits for ever. Contained: nobody opens them."""

import os
import sys

sys.path.insert(0, ".")
from lever import attempt

for name in ("result.json", "output.txt", "main.py", "surroundings.json"):
    attempt(os.unlink, name)
    attempt(os.mkfifo, name)
