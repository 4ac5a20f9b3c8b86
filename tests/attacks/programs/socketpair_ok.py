"""Pairs of sockets are ordinary, asyncio needs them. Contained: they work."""

import asyncio
import socket
import sys

sys.path.insert(0, ".")
from lever import worked

WORKS = True
near, far = socket.socketpair()
near.send(b"hello")


async def answer():
    await asyncio.sleep(0.01)
    return 42


if far.recv(5) == b"hello" and asyncio.run(answer()) == 42:
    worked()
