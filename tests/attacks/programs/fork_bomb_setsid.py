"""A fork bomb each of whose 200 processes is a session of its own. Contained: few of them, none left."""

import os
import sys
import time

sys.path.insert(0, ".")
from lever import AT, children, escaped

number = children(200, lambda place: os.setsid())
time.sleep(0.5)
if number > 2 * AT.processes:
    escaped(f"{number} sessions at once")
