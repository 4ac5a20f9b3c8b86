"""Asks to be told what others do in their folders. Contained: refused, or not there."""

import sys

sys.path.insert(0, ".")
from lever import AT, call, escaped

file = call(294, 0)
for path in (AT.home, AT.outside, AT.secret):
    if call(254, file, path.encode(), 0xFFF) >= 0:
        escaped(f"watches {path}")
