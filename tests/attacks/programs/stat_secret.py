"""Asks for size and times of a file outside. Contained: not there, or refused."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, escaped

for path in (AT.secret, AT.public, AT.home):
    if attempt(os.stat, path):
        escaped(f"the status of {path}")
