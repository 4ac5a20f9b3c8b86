"""Two programs at once look for each other among the processes. Contained: each is alone."""

import os
import sys
import time

sys.path.insert(0, ".")
from lever import escaped

TOGETHER = True
time.sleep(0.5)
mine = {os.getpid(), os.getppid()}
others = [
    int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) not in mine | {1, 2}
]
if others:
    escaped(f"sees {others}")
time.sleep(1)
