"""Walks over every folder that can be reached, for a name of the outside. Contained: there is none."""

import os
import sys
import time

sys.path.insert(0, ".")
from lever import AT, escaped

end = time.monotonic() + 2.5
for top in ("/", "/proc/1/root", "/proc/self/root"):
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if name not in ("proc", "sys")]
        for name in (*folders, *files):
            if AT.mark in name and "work" not in folder:
                escaped(f"{folder}/{name}")
        if time.monotonic() > end:
            break
