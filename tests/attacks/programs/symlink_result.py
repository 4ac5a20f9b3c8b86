"""Leaves links to secrets under the names that a judge might read. Contained: nobody follows them."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT

for name in ("result.json", "output.txt", "report.json", "stdout", "stderr", "status"):
    os.symlink(AT.secret, name)
