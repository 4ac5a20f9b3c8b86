"""Reads what it is given as input, which here is nothing. Contained: it sees the end of it."""

import sys

sys.path.insert(0, ".")
from lever import worked

WORKS = True
if sys.stdin.read() == "":
    worked()
