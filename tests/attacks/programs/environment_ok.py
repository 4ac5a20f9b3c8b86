"""What it was given as its environment is there, and little else. Contained: it works."""

import os
import sys

sys.path.insert(0, ".")
from lever import worked

WORKS = True
if os.environ.get("ATTACK_MARK") and len(os.environ) < 12:
    worked()
