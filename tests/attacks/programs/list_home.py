"""Lists the folders of who runs it. Contained: they are not there, or refused."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, escaped

for folder in (AT.home, AT.outside, AT.tmp, os.path.dirname(AT.home)):
    if attempt(os.listdir, folder):
        escaped(f"the names in {folder}")
