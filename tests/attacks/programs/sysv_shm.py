"""Takes three times the memory as a System V segment. Contained: refused or killed."""

import ctypes
import sys

sys.path.insert(0, ".")
from lever import AT, call, held, libc

size = 3 * AT.memory_bytes
segment = call(29, 0, size, 0o1600)
address = call(30, segment, None, 0)
call(31, segment, 0, None)  # removed with its last user, whatever happens
ctypes.memset(ctypes.c_void_p(address), 1, size)
held("bytes in a segment", size, AT.memory_bytes)
libc.shmdt(ctypes.c_void_p(address))
