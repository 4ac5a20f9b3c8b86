"""Reaches files through another process's root. Contained: no such process, or refused."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, contents, leaked

for pid in (*AT.pids, 1, os.getppid(), "self", "thread-self"):
    for secret in (AT.secret, AT.public):
        leaked(contents(f"/proc/{pid}/root{secret}"), f"root of {pid}")
