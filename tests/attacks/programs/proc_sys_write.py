"""Opens the kernel's settings for writing. Contained: refused."""

import os
import sys

sys.path.insert(0, ".")
from lever import attempt, escaped

names = "kernel/core_pattern kernel/hostname kernel/modprobe kernel/ns_last_pid kernel/sched_rt_runtime_us"
names += (
    " vm/overcommit_memory vm/drop_caches fs/suid_dumpable kernel/randomize_va_space kernel/pid_max"
)
for name in names.split():
    if attempt(os.open, f"/proc/sys/{name}", os.O_WRONLY):
        escaped(f"{name} can be written")
for path in ("/proc/sysrq-trigger", "/proc/timer_list", "/proc/mtrr", "/proc/scsi/scsi"):
    if attempt(os.open, path, os.O_WRONLY):
        escaped(f"{path} can be written")
