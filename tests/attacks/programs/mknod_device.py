"""Makes devices of its own: memory, disk, kernel log. Contained: refused."""

import os
import stat
import sys

sys.path.insert(0, ".")
from lever import AT, FOLDERS, attempt, escaped

kinds = ((stat.S_IFCHR, 1, 1), (stat.S_IFBLK, 254, 0), (stat.S_IFBLK, 8, 0), (stat.S_IFCHR, 1, 11))
for folder in FOLDERS:
    for kind, major, minor in kinds:
        path = f"{folder}/{AT.mark}-device-{major}-{minor}"
        if attempt(os.mknod, path, kind | 0o666, os.makedev(major, minor)):
            escaped(f"a device {major}:{minor}")
            os.unlink(path)
