"""Opens a file by its handle, past every folder above it. Contained: refused."""

import ctypes
import os
import sys

sys.path.insert(0, ".")
from lever import allowed, escaped

handle = ctypes.create_string_buffer(136)
handle[0] = 128
number = ctypes.c_int()
if allowed(303, -100, b".", handle, ctypes.byref(number), 0):
    root = os.open("/", os.O_RDONLY)
    if allowed(304, root, handle, 0):
        escaped("opened by handle")
