"""Renames the machine, as it is called. Contained: refused."""

import os
import sys

sys.path.insert(0, ".")
from lever import escaped, libc

name = os.uname().nodename.encode()
if libc.sethostname(name, len(name)) == 0 or libc.setdomainname(b"x", 1) == 0:
    escaped("the name of the machine")
