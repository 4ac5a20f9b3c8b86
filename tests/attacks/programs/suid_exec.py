"""Runs a program that is root for whoever runs it. Contained: no new rights can come that way."""

import glob
import os
import stat
import sys

sys.path.insert(0, ".")
from lever import attempt, escaped, libc

suid = [
    path
    for path in glob.glob("/usr/bin/*") + glob.glob("/usr/sbin/*")
    if (found := attempt(os.stat, path)) and found.st_mode & stat.S_ISUID
]
if libc.prctl(39, 0, 0, 0, 0) != 1:  # PR_GET_NO_NEW_PRIVS
    escaped(f"programs may gain rights: {suid}")
