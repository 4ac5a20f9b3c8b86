"""Ends at once with 0 as if all were well. Contained: that is what is reported, and no more."""

import os

ENDS = ("exited", 0)
os._exit(0)
