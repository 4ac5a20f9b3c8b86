"""Loads, removes or replaces parts of the kernel, with arguments that cannot work. Contained: refused."""

import errno
import sys

sys.path.insert(0, ".")
from lever import call, escaped

for name, number, arguments in (
    ("init_module", 175, (None, 0, b"")),
    ("finit_module", 313, (-1, b"", 0)),
    ("delete_module", 176, (b"no-such-module", 0o4000)),
    ("kexec_load", 246, (0, 17, None, 0)),
    ("reboot", 169, (1, 2, 3, None)),
    ("swapon", 167, (b"/no/such/file", 0)),
    ("acct", 163, (b"/no/such/file",)),
    ("quotactl", 179, (-1, b"/no", 0, None)),
):
    try:
        call(number, *arguments)
    except OSError as refusal:
        if refusal.errno in (errno.EPERM, errno.ENOSYS, errno.EACCES):
            continue
        if name in ("kexec_load", "quotactl", "delete_module", "finit_module"):
            continue  # these look at their arguments before they look at who asks
    escaped(f"{name} is not refused")
