"""Calls the kernel as a 32-bit program does. Contained: refused or killed."""

import ctypes
import mmap
import os
import sys

sys.path.insert(0, ".")
from lever import escaped, libc

code = bytes.fromhex(
    "53 b8 14 00 00 00 cd 80 5b c3"
)  # push rbx; mov eax, 20; int 0x80; pop rbx; ret
page = libc.mmap(None, 4096, mmap.PROT_READ | mmap.PROT_WRITE, 0x22, -1, ctypes.c_long(0))
ctypes.memmove(page, code, len(code))
if (
    libc.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(4096), mmap.PROT_READ | mmap.PROT_EXEC)
    == 0
) and ctypes.CFUNCTYPE(ctypes.c_int)(page)() == os.getpid():
    escaped("the i386 convention works")
