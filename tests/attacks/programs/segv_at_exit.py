"""Prints that all is well and then crashes on the way out. Contained: reported as a signal."""

import atexit
import ctypes

ENDS = ("signal", 11)
atexit.register(ctypes.string_at, 0)
print("all tests passed", flush=True)
