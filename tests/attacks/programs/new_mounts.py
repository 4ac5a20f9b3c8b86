"""Uses the newer calls for mounting, which filters forget. Contained: refused."""

import sys

sys.path.insert(0, ".")
from lever import allowed, escaped

if allowed(430, b"tmpfs", 0) or allowed(430, b"proc", 0):
    escaped("opened a file system")
if allowed(428, -100, b"/", 1):
    escaped("cloned a tree of mounts")
if allowed(433, -100, b"/", 0):
    escaped("took hold of a mount")
