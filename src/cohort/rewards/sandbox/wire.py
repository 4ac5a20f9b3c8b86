"""What is said between a sandbox and its launcher: an order, the bytes of its files, and lines back.

An order is one JSON document behind its length, and after it the files' bytes. Lines come back on the
same socket: `started`, or what failed, or how it ended. None of it is ever seen by the program.
"""

from __future__ import annotations

import contextlib
import json
import socket
from typing import Any, TypedDict

LENGTH_BYTES = 8


class Order(TypedDict):
    """One program to run, in plain values."""

    tier: str
    landlock: int
    """The version of Landlock to use; 0 for none."""
    user: int | None
    """From where on to take a user's number, to become first; None to stay who we are."""
    command: list[str]
    environment: dict[str, str]
    files: list[tuple[str, int]]
    """Names and lengths."""
    readable: list[str]
    """Everything of the machine that the program may read."""
    temporary: str
    """Where a folder may be made for a while."""
    wall_seconds: float
    cpu_seconds: float
    memory_bytes: int
    processes: int
    disk_bytes: int
    inodes: int


def send(channel: socket.socket, order: Order, files: list[bytes]) -> None:
    """Send an order and its files."""
    text = json.dumps(order).encode()
    channel.sendall(len(text).to_bytes(LENGTH_BYTES, "big") + text)
    for content in files:
        channel.sendall(content)


def receive(channel: socket.socket) -> tuple[Order, dict[str, bytes]]:
    """Receive an order and its files by name. Raises EOFError where the sender is gone."""
    length = int.from_bytes(_exactly(channel, LENGTH_BYTES), "big")
    order: Order = json.loads(_exactly(channel, length))
    return order, {name: _exactly(channel, size) for name, size in order["files"]}


def tell(channel: socket.socket, **what: Any) -> None:
    """Send a line; a reader that is gone does not matter."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        channel.sendall(json.dumps(what).encode() + b"\n")


def tell_end(
    channel: socket.socket, end: str, code: int, seconds: float, peak_memory_bytes: int
) -> None:
    """Send the last line: how the program ended."""
    tell(channel, end=end, code=code, seconds=seconds, peak=peak_memory_bytes)


def _exactly(channel: socket.socket, count: int) -> bytes:
    content = bytearray(count)
    view, filled = memoryview(content), 0
    while filled < count:
        received = channel.recv_into(view[filled:])
        if received == 0:
            raise EOFError("the sender is gone")
        filled += received
    return bytes(content)
