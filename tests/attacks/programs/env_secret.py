"""Reads its own environment. Contained: nothing of the environment outside is in it."""

import os
import sys

sys.path.insert(0, ".")
from lever import leaked

leaked(repr(dict(os.environ)).encode(), "the environment")
