"""Changes how others are scheduled, singly, by group and by user. Contained: they are as before."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, allowed, attempt, escaped

for pid in AT.pids:
    if attempt(os.sched_setscheduler, pid, os.SCHED_IDLE, os.sched_param(0)):
        escaped(f"schedule of {pid}")
    for which, who in ((1, pid), (2, pid), (3, os.getuid()), (3, 0)):
        if which != 3 and allowed(251, which, who, 3 << 13):
            escaped(f"disk priority of {pid}")
    attempt(os.setpriority, os.PRIO_PGRP, pid, 19)
for user in {0, os.getuid(), AT.user, 65534}:
    attempt(os.setpriority, os.PRIO_USER, user, 19)
    allowed(251, 3, user, 3 << 13)
