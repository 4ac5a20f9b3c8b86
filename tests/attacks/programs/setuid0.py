"""Becomes root. Contained: refused."""

import os
import sys

sys.path.insert(0, ".")
from lever import attempt, escaped

before = os.getresuid()
for step in (os.setuid, os.seteuid, lambda uid: os.setresuid(uid, uid, uid)):
    if before != (0, 0, 0) and attempt(step, 0):
        escaped("it is root")
for step in (os.setgid, lambda gid: os.setgroups([gid])):
    if os.getresgid() != (0, 0, 0) and attempt(step, 0):
        escaped("its group is root's")
