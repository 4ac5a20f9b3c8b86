"""Reads a System V segment of the machine by its key. Contained: there is none of that key."""

import ctypes
import sys

sys.path.insert(0, ".")
from lever import AT, call, leaked

segment = call(29, AT.shm_key, 64, 0)
leaked(ctypes.string_at(call(30, segment, None, 0o10000), 64), "a segment of others")
