"""Asks for every capability, and looks whether any was left. Contained: none."""

import ctypes
import re
import sys

sys.path.insert(0, ".")
from lever import allowed, contents, escaped

header = (ctypes.c_uint32 * 2)(0x20080522, 0)
for wanted in (0xFFFFFFFF, 1 << 21, 1 << 1):
    if allowed(126, header, (ctypes.c_uint32 * 6)(wanted, wanted, wanted)):
        escaped(f"capabilities {wanted:#x}")
for name, bits in re.findall(
    rb"Cap(Eff|Prm|Inh|Amb):\s*([0-9a-f]+)", contents("/proc/self/status")
):
    if int(bits, 16):
        escaped(f"{name.decode()} {bits.decode()}")
