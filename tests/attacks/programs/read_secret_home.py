"""Reads files in the home of who runs it. Contained: they are not there, or refused."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, contents, leaked

for name in AT.secrets:
    leaked(contents(os.path.join(AT.home, name)), name)
    leaked(contents(os.path.join(AT.outside, name)), name)
