"""Makes its read-only folders writable, or takes them away. Contained: refused."""

import ctypes
import sys

sys.path.insert(0, ".")
from lever import allowed, escaped

for path in (b"/", b"/usr", b"/lib", b"/proc", b"."):
    if allowed(165, b"none", path, None, 32 | 4096, None) or allowed(
        165, b"none", path, None, 32, None
    ):
        escaped(f"remounted {path.decode()}")
    if allowed(442, -100, path, 0x8000, (ctypes.c_uint64 * 4)(0, 1), 32):
        escaped(f"changed the mount {path.decode()}")
    if allowed(166, path, 2):
        escaped(f"unmounted {path.decode()}")
