"""Installs a filter that asks itself, and so could lie to what it starts. Contained: refused."""

import ctypes
import struct
import sys

sys.path.insert(0, ".")
from lever import allowed, escaped

allow = struct.pack("HBBI", 6, 0, 0, 0x7FFF0000)
code = ctypes.create_string_buffer(allow, 8)
program = struct.pack("H6xQ", 1, ctypes.addressof(code))
if allowed(317, 1, 8, program):
    escaped("a listener")
