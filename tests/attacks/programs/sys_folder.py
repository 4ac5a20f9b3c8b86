"""Reads what the machine is made of and changes how it runs. Contained: there is no /sys, or refused."""

import os
import sys

sys.path.insert(0, ".")
from lever import attempt, escaped

for path in ("/sys/class/net", "/sys/block", "/sys/class/dmi/id", "/sys/fs/cgroup", "/sys/kernel"):
    if attempt(os.listdir, path):
        escaped(f"the names in {path}")
