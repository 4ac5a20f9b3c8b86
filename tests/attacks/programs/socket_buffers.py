"""Fills the buffers of 2,000 sockets. Contained: the kernel keeps no more than some tens of MB."""

import contextlib
import socket
import sys
import time

sys.path.insert(0, ".")
from lever import held

total = 0
end = time.monotonic() + 2
pairs = []
with contextlib.suppress(OSError):
    for _ in range(2000):
        pairs.append(socket.socketpair())
        near = pairs[-1][0]
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**22)
        near.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while time.monotonic() < end:
                total += near.send(b"x" * 65536)
held("bytes in sockets", total, 100 * 2**20)
