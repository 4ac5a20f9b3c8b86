"""Makes a user namespace by the newest call, whose flags no filter can read. Contained: refused."""

import ctypes
import os
import sys

sys.path.insert(0, ".")
from lever import call, escaped

for flags in (0x10000000, 0x30000000):
    arguments = (ctypes.c_uint64 * 11)(flags, 0, 0, 0, 17)
    pid = call(435, arguments, 88)
    if pid == 0:
        os._exit(0)
    escaped("a user namespace")
