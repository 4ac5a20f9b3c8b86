"""Writes attributes on files outside. Contained: they have none."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, attempt

for path in (AT.secret, AT.public, AT.script):
    attempt(os.setxattr, path, "user.mark", b"planted")
