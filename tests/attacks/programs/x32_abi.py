"""Calls the kernel by the numbers of another convention. Contained: refused."""

import sys

sys.path.insert(0, ".")
from lever import allowed, escaped

if allowed(0x40000000 + 39) or allowed(0x40000000 + 102):
    escaped("the x32 convention works")
