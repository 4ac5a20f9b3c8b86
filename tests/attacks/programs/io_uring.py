"""Opens a ring for input and output, which goes past filters of calls. Contained: refused."""

import ctypes
import sys

sys.path.insert(0, ".")
from lever import allowed, escaped

if allowed(425, 4, (ctypes.c_char * 256)()):
    escaped("a ring")
