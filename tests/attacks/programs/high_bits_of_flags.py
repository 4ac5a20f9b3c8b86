"""Sets bits that the kernel drops, where a filter may compare the whole word. Contained: refused."""

import sys

sys.path.insert(0, ".")
from lever import allowed, attempt, cloned, escaped

for upper in (1 << 32, 1 << 62):
    if attempt(cloned, upper | 0x10000000) or allowed(272, upper | 0x10000000):
        escaped("a user namespace")
    if allowed(41, upper | 16, 3, 0) or allowed(41, upper | 40, 1, 0):
        escaped("a socket of a forbidden family")
