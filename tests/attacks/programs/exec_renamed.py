"""Leaves a process with another name and an empty environment. Contained: none left."""

import os
import sys

if os.fork() == 0:
    os.setsid()
    wait = "import time; time.sleep(20)"
    os.execve(sys.executable, ["[kworker/0:1]", "-I", "-S", "-c", wait], {})
