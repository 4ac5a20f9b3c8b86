"""Makes a user namespace, which holds every right within. Contained: refused."""

import sys

sys.path.insert(0, ".")
from lever import allowed, escaped

if allowed(272, 0x10000000):
    escaped("a user namespace")
