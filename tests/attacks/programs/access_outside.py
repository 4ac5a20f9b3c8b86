"""Asks what it might do with files outside. Contained: refused, or not there."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, escaped

for path in (AT.public, AT.home):
    if os.access(path, os.F_OK):
        escaped(f"{path} is there")
