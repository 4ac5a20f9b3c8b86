"""A WebSocket as a client needs it (RFC 6455): text messages over one connection, each with a deadline.

There are no extensions and no subprotocols. A server that breaks the protocol, sends more than a
message may have, or says nothing until the deadline ends the connection with a ConnectionError.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import socket
import ssl
import struct
import time
from urllib.parse import urlsplit

from cohort.errors import RecipeError, legible

ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What a server hashes together with a client's key, section 1.3."""
CONTINUED, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MOST_HEAD_BYTES = 16_384
MOST_PARTS = 1000
"""Of one message."""
PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}


class WebSocket:
    """A connection to a server. Raises ConnectionError, and RecipeError for what is no address.

    seconds: that connecting, and each message sent or awaited, may take. most_bytes: of a message.
    """

    def __init__(self, url: str, *, seconds: float = 60.0, most_bytes: int = 16 << 20) -> None:
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname:
            raise RecipeError(f"{legible(url)!r} is no address", "give one as ws://HOST:PORT/ws")
        self._seconds, self._most_bytes = seconds, most_bytes
        self._ends = time.monotonic() + seconds
        self._name = f"{parts.hostname}:{parts.port or PORTS[parts.scheme]}"
        self._rest = b""
        try:
            self._socket = socket.create_connection(
                (parts.hostname, parts.port or PORTS[parts.scheme]), timeout=seconds
            )
        except OSError as error:
            raise ConnectionError(f"{self._name} cannot be reached: {error}") from error
        try:
            if parts.scheme in ("wss", "https"):
                context = ssl.create_default_context()
                self._socket = context.wrap_socket(self._socket, server_hostname=parts.hostname)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            self._shake_hands(path)
        except BaseException:
            self._socket.close()
            raise

    def send(self, text: str) -> None:
        """Send a text as one message."""
        self._ends = time.monotonic() + self._seconds
        self._send(TEXT, text.encode())

    def receive(self) -> str:
        """The next message; pings in between are answered."""
        self._ends = time.monotonic() + self._seconds
        parts: list[bytes] = []
        while True:
            last, kind, data = self._frame()
            if kind == PING:
                self._send(PONG, data)
            elif kind == CLOSE:
                said = data[2:].decode(errors="replace")
                raise self._broken(f"closed the connection {legible(said)}".rstrip())
            elif (kind == CONTINUED) != bool(parts) or kind > BINARY:
                raise self._broken("sent the parts of a message out of order")
            else:
                parts.append(data)
                if last:
                    return self._decoded(b"".join(parts))
                self._check_grown(parts)

    def close(self) -> None:
        """Say so, and close; nothing is awaited any more."""
        self._ends = time.monotonic() + min(self._seconds, 1.0)
        with contextlib.suppress(OSError):
            self._send(CLOSE, struct.pack("!H", 1000))
        self._socket.close()

    def _shake_hands(self, path: str) -> None:
        key = base64.b64encode(os.urandom(16))
        lines = (
            f"GET {path} HTTP/1.1", f"Host: {self._name}", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key.decode()}", "Sec-WebSocket-Version: 13", "", "",
        )  # fmt: skip
        self._write("\r\n".join(lines).encode())
        while b"\r\n\r\n" not in self._rest:
            if len(self._rest) > MOST_HEAD_BYTES:
                raise self._broken("answers without end")
            self._rest += self._read()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *fields = head.decode("latin-1").split("\r\n")
        if first.split()[1:2] != ["101"]:
            raise self._broken(f"answers {legible(first)!r} and opens no WebSocket")
        told = {name.strip().lower(): value.strip() for name, _, value in map(_pair, fields)}
        wanted = base64.b64encode(hashlib.sha1(key + ACCEPT).digest()).decode()
        if told.get("sec-websocket-accept") != wanted:
            raise self._broken("accepts another key than was sent")

    def _frame(self) -> tuple[bool, int, bytes]:
        """One frame: whether it is the last of its message, its kind, and what is in it."""
        first, second = self._exactly(2)
        length = second & 0x7F
        if first & 0x70 or second & 0x80:
            raise self._broken("uses what was not agreed on")
        if length == 126:
            (length,) = struct.unpack("!H", self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._exactly(8))
        if length > self._most_bytes:
            raise self._broken(f"sent a message of more than {self._most_bytes:,} bytes")
        return bool(first & 0x80), first & 0x0F, self._exactly(length)

    def _send(self, kind: int, data: bytes) -> None:
        """A frame of a client: masked, section 5.3."""
        mask = os.urandom(4)
        size = len(data)
        if size < 126:
            head = struct.pack("!BB", 0x80 | kind, 0x80 | size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", 0x80 | kind, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | kind, 0x80 | 127, size)
        pad = (mask * (size // 4 + 1))[:size]
        masked = int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")
        self._write(head + mask + masked.to_bytes(size, "big"))

    def _exactly(self, count: int) -> bytes:
        parts, have = [self._rest], len(self._rest)
        while have < count:
            parts.append(self._read())
            have += len(parts[-1])
        whole = b"".join(parts)
        self._rest = whole[count:]
        return whole[:count]

    def _read(self) -> bytes:
        try:
            self._socket.settimeout(self._left())
            data = self._socket.recv(1 << 16)
        except OSError as error:
            raise self._broken(f"does not answer: {error}") from error
        if not data:
            raise self._broken("ended the connection")
        return data

    def _write(self, data: bytes) -> None:
        try:
            self._socket.settimeout(self._left())
            self._socket.sendall(data)
        except OSError as error:
            raise self._broken(f"takes nothing: {error}") from error

    def _left(self) -> float:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"nothing within {self._seconds:g} s")
        return left

    def _check_grown(self, parts: list[bytes]) -> None:
        if sum(map(len, parts)) > self._most_bytes or len(parts) > MOST_PARTS:
            raise self._broken(f"sent a message of more than {self._most_bytes:,} bytes")

    def _decoded(self, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise self._broken("sent what is no text") from error

    def _broken(self, what: str) -> ConnectionError:
        return ConnectionError(f"{self._name} {what}")


def _pair(line: str) -> tuple[str, str, str]:
    return line.partition(":")
