"""Ends with the code that shells use for a killed program. Contained: it exited, with 137."""

import os

ENDS = ("exited", 137)
os._exit(137)
