"""Rewrites who it is. Contained: refused."""

import pathlib
import sys

sys.path.insert(0, ".")
from lever import attempt, escaped

for name, text in (("setgroups", "allow"), ("uid_map", "0 0 1"), ("gid_map", "0 0 1")):
    if attempt(pathlib.Path("/proc/self", name).write_text, text):
        escaped(f"wrote {name}")
