"""Reads the machine's list of password hashes. Contained: nothing comes. It shows none of them."""

import sys

sys.path.insert(0, ".")
from lever import contents, escaped

for path in ("/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/proc/1/root/etc/shadow"):
    if contents(path):
        escaped(path)
