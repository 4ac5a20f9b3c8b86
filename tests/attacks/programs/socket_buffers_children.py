"""Fourteen processes fill the buffers of all the sockets that each may have. Contained: some tens of MB."""

import contextlib
import os
import socket
import sys
import time

sys.path.insert(0, ".")
from lever import children, held

reading, writing = os.pipe()


def fill(place):
    total = 0
    pairs = []
    end = time.monotonic() + 1.5
    with contextlib.suppress(OSError):
        while time.monotonic() < end:
            pairs.append(socket.socketpair())
            for near in pairs[-1]:
                with contextlib.suppress(OSError):
                    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**22)
                near.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    while time.monotonic() < end:
                        total += near.send(b"x" * 32768)
    os.write(writing, total.to_bytes(8, "big"))
    time.sleep(1)


number = children(14, fill)
total = sum(int.from_bytes(os.read(reading, 8), "big") for _ in range(number))
held("bytes in sockets", total, 100 * 2**20)
