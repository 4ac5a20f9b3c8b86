"""Hides files of memory in messages that nobody receives. Contained: refused or killed."""

import contextlib
import os
import socket
import sys

sys.path.insert(0, ".")
from lever import AT, held

near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
total = 0
with contextlib.suppress(OSError):
    while total < 3 * AT.memory_bytes:
        file = os.memfd_create("x")
        for _ in range(8):
            total += os.write(file, b"x" * 2**20)
        near.setblocking(False)
        socket.send_fds(near, [b"."], [file])
        os.close(file)
held("bytes in messages", total, int(1.3 * AT.memory_bytes))
