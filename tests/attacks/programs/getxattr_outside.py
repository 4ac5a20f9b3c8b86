"""Reads attributes of files outside, which belong to no right to read. Contained: refused, or not there."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, leaked

for path in (AT.public, AT.secret, AT.home):
    for name in attempt(os.listxattr, path) or ["user.note"]:
        leaked(attempt(os.getxattr, path, name) or b"", f"an attribute of {path}")
