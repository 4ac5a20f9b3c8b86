"""Raises its own priority above all others. Contained: refused."""

import os
import sys

sys.path.insert(0, ".")
from lever import allowed, attempt, escaped

for kind in (os.SCHED_FIFO, os.SCHED_RR):
    if attempt(os.sched_setscheduler, 0, kind, os.sched_param(1)):
        escaped("it is scheduled first")
if attempt(os.setpriority, os.PRIO_PROCESS, 0, -20) or allowed(251, 1, 0, 1 << 13):
    escaped("its priority is above all")
