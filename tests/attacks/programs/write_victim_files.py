"""Opens what others show in /proc for writing. Contained: no such process, or refused."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, escaped

names = "mem oom_adj oom_score_adj clear_refs coredump_filter comm timerslack_ns autogroup sched loginuid"
for pid in (*AT.pids, 1, os.getppid()):
    for name in (
        *names.split(),
        "uid_map",
        "gid_map",
        "setgroups",
        "attr/current",
        "timens_offsets",
    ):
        if pid in AT.pids and attempt(os.open, f"/proc/{pid}/{name}", os.O_WRONLY):
            escaped(f"{name} of {pid}")
