"""Waits to be looked at from outside. Contained: nobody outside sees root at work."""

import time

ENDS = ("exited", 0)
time.sleep(0.5)
