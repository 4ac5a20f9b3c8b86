"""A server that speaks as OpenEnv's do, on the loopback address: a game of guessing a number, with faults."""

import base64
import hashlib
import json
import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Server:
    """Serves sessions, each in a thread; `fault` says what it does instead of answering a step."""

    def __init__(self, sessions: int, fault: str) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.free, self.fault = sessions, fault
        self.resets: list[dict[str, Any]] = []
        self.over = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._session, args=(connection,), daemon=True).start()

    def _session(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reading:
            try:
                self._shake_hands(connection, reading)
                self._play(connection, reading)
            except (OSError, struct.error):
                return
            finally:
                self.free += 1

    def _shake_hands(self, connection: socket.socket, reading: Any) -> None:
        key = b""
        while (line := reading.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            key = value.strip() if name.lower() == b"sec-websocket-key" else key
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
        if self.fault == "key":
            accept = "another"
        status = "404 Not Found" if self.fault == "status" else "101 Switching Protocols"
        head = f"HTTP/1.1 {status}\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        connection.sendall(head.encode())

    def _play(self, connection: socket.socket, reading: Any) -> None:
        goal = 0
        self.free -= 1
        while True:
            kind, message = frame(reading)
            if kind == 8:
                return
            if kind == 10:  # it is there
                continue
            asked = json.loads(message)
            if self.free < 0:
                send(connection, error("no session is left", "CAPACITY_REACHED"))
            elif asked["type"] == "reset":
                self.resets.append(asked["data"])
                goal = random.Random(asked["data"]["seed"]).randrange(1, 9)
                send(connection, answer({"prompt": f"From 1 to 9; {goal % 2 = }"}))
            elif not self._faulty(connection):
                self._guess(connection, asked["data"], goal)

    def _guess(self, connection: socket.socket, action: dict[str, Any], goal: int) -> None:
        if set(action) != {"message"} or not action["message"].isdigit():
            send(connection, error("a guess is a number", "VALIDATION_ERROR"))
            return
        right = int(action["message"]) == goal
        told = answer({"text": "right" if right else "wrong"}, float(right), right)
        half = len(told) // 2
        connection.sendall(packed(9, b"are you there"))
        connection.sendall(packed(1, told[:half], last=False) + packed(0, told[half:]))

    def _faulty(self, connection: socket.socket) -> bool:
        if self.fault == "hang":
            self.over.wait(20)
        elif self.fault == "drop":
            connection.shutdown(socket.SHUT_RDWR)
        elif self.fault == "close":
            connection.sendall(packed(8, struct.pack("!H", 1011) + b"out of memory"))
        elif self.fault == "large":
            connection.sendall(struct.pack("!BBQ", 0x81, 127, 1 << 40))
        elif self.fault == "masked":
            connection.sendall(b"\x81\x85abcdhello")
        elif self.fault in FAULTS:
            send(connection, FAULTS[self.fault])
        return bool(self.fault)


FAULTS = {
    "text": b"hello",
    "list": b"[1]",
    "binary": b"\xff\xfe",
    "empty": b'{"type": "observation", "data": {}}',
    "error": b'{"type": "error", "data": {"message": "it died", "code": "EXECUTION_ERROR"}}',
}


@contextmanager
def serving(sessions: int = 8, fault: str = "") -> Iterator[Server]:
    """A server for as long as it lasts."""
    server = Server(sessions, fault)
    try:
        yield server
    finally:
        server.over.set()
        server.listening.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept
        server.listening.close()


def frame(reading: Any) -> tuple[int, bytes]:
    """A client's frame: its kind and what is in it."""
    first, second = struct.unpack("!BB", reading.read(2))
    assert first & 0x80
    assert second & 0x80, "a client masks"
    size = second & 0x7F
    if size == 126:
        (size,) = struct.unpack("!H", reading.read(2))
    elif size == 127:
        (size,) = struct.unpack("!Q", reading.read(8))
    mask = reading.read(4)
    return first & 0xF, bytes(b ^ mask[n % 4] for n, b in enumerate(reading.read(size)))


def packed(kind: int, data: bytes, last: bool = True) -> bytes:
    """A server's frame."""
    head = 0x80 * last | kind
    if len(data) < 126:
        return struct.pack("!BB", head, len(data)) + data
    return struct.pack("!BBH", head, 126, len(data)) + data


def send(connection: socket.socket, data: bytes) -> None:
    connection.sendall(packed(1, data))


def answer(observation: dict[str, Any], reward: float | None = None, done: bool = False) -> bytes:
    data = {"observation": observation, "reward": reward, "done": done}
    return json.dumps({"type": "observation", "data": data}).encode()


def error(message: str, code: str) -> bytes:
    return json.dumps({"type": "error", "data": {"message": message, "code": code}}).encode()
