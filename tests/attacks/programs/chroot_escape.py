"""Breaks out of a root by the classic second chroot. Contained: refused."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, contents, escaped, leaked

os.mkdir("inner")
top = os.open("/", os.O_RDONLY)
if attempt(os.chroot, "inner"):
    escaped("a root of its own choice")
    os.fchdir(top)
    for _ in range(64):
        os.chdir("..")
    os.chroot(".")
    leaked(contents(AT.secret), "outside the root")
