"""Looks for the root that was there before. Contained: it is gone."""

import contextlib
import os
import sys

sys.path.insert(0, ".")
from lever import AT, contents, escaped, leaked

for name in ("old", "oldroot", ".old", "put_old", "mnt", "old_root", ".oldroot", "host", "newroot"):
    leaked(contents(f"/{name}{AT.public}"), f"the former root at /{name}")
    with contextlib.suppress(OSError):
        if "proc" in os.listdir(f"/{name}"):
            escaped(f"a root at /{name}")
