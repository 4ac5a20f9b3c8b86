"""Sets the times of files outside. Contained: they stay."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, attempt

for path in (AT.secret, AT.public, AT.script):
    attempt(os.utime, path, (1, 1))
