"""Uses groups that it still belongs to. Contained: it belongs to none of those outside."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, contents, escaped, leaked

leaked(contents(AT.of_group), "a file of a group")
known = contents("/proc/self/gid_map").split()
if 0 in os.getgroups() and known[:3] == [b"0", b"0", b"4294967295"]:
    escaped("it belongs to the group of root")
