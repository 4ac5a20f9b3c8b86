"""Ends with a code of its own. Contained: that code is reported."""

import sys

ENDS = ("exited", 3)
sys.exit(3)
