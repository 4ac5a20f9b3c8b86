"""Uses the kernel's store of keys, which is not part of any namespace of files. Contained: refused."""

import sys

sys.path.insert(0, ".")
from lever import allowed, escaped

if allowed(250, 0, -3, 1) or allowed(248, b"user", b"planted", b"key", 3, -4):
    escaped("a keyring")
