"""Gives rights to a program of its own. Contained: refused."""

import os
import sys

sys.path.insert(0, ".")
from lever import attempt, escaped

with open("program", "wb"):
    pass
rights = bytes.fromhex("0100000202000000000000000000000000000000")
if attempt(os.setxattr, "program", "security.capability", rights):
    escaped("a program with rights")
if attempt(os.chmod, "program", 0o4755) and os.stat("program").st_uid == 0 and os.getuid() != 0:
    escaped("a program of root")
