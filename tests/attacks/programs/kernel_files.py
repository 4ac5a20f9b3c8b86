"""Reads what the kernel tells about its own memory and keys. Contained: refused, or nothing."""

import os
import sys

sys.path.insert(0, ".")
from lever import attempt, contents, escaped

for path in (
    "/proc/kcore",
    "/proc/kmsg",
    "/dev/mem",
    "/sys/kernel/debug",
    "/sys/kernel/tracing/trace",
):
    if attempt(os.open, path, os.O_RDONLY | os.O_NONBLOCK):
        escaped(f"opened {path}")
if any(int(line.split()[0], 16) for line in contents("/proc/kallsyms").splitlines()[:100]):
    escaped("addresses of the kernel")
