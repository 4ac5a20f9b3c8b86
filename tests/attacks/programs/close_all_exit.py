"""Closes all that it was given and ends well. Contained: reported as just that."""

import os

ENDS = ("exited", 0)
os.closerange(0, 4096)
os._exit(0)
