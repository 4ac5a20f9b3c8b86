"""Mounts file systems. Contained: refused."""

import sys

sys.path.insert(0, ".")
from lever import allowed, escaped

kinds = (
    (b"tmpfs", 0),
    (b"proc", 0),
    (b"sysfs", 0),
    (b"cgroup2", 0),
    (b"devpts", 0),
    (b"overlay", 0),
)
for kind, flags in kinds:
    if allowed(165, b"x", b".", kind, flags, None):
        escaped(f"mounted {kind.decode()}")
if allowed(165, b"/", b".", None, 4096, None):
    escaped("bound a folder to another place")
