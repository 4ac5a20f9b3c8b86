"""Watches a whole file system. Contained: refused."""

import sys

sys.path.insert(0, ".")
from lever import allowed, escaped

for flags in (0, 4, 0x200, 0x600):
    if allowed(300, flags, 0):
        escaped("a watch of the file system")
