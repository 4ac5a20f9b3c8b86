"""Sends sockets with full buffers through sockets, so that it may have more. Contained: some tens of MB."""

import contextlib
import socket
import sys

sys.path.insert(0, ".")
from lever import held

carrier, _ = socket.socketpair()
carrier.setblocking(False)
total = 0
with contextlib.suppress(OSError):
    for _ in range(2000):
        near, far = socket.socketpair()
        near.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                total += near.send(b"x" * 32768)
        socket.send_fds(carrier, [b"."], [near.fileno(), far.fileno()])
        near.close()
        far.close()
held("bytes in sockets", total, 100 * 2**20)
