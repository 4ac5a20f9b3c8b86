"""Goes to folders outside. Contained: not there, or refused."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, escaped

for path in (AT.home, AT.outside):
    if attempt(os.chdir, path):
        escaped(f"went to {path}")
