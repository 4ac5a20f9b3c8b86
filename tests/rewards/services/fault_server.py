"""A server on loopback that does what a script says, down to the byte, and counts who came.

Every connection is served by a daemon thread that ends with its script, and at the latest when the
server closes. A script is a function of a connected socket; those here read a request and answer
well, or badly in one of the ways that services have.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

Script = Callable[[socket.socket], None]
LONGEST_SECONDS = 20.0
"""After which a connection is cut in any case."""


class Server:
    """Listens until it is closed. `requests` holds the body of every request that was read whole."""

    def __init__(self, script: Script, *, backlog: int = 64) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._script = script
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(LONGEST_SECONDS)
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection:
            self._script(connection)


def serving(reply: Callable[[bytes], bytes | Iterator[bytes]]) -> Callable[[], Server]:
    """A server whose script reads the request, and sends what `reply` makes of its body."""

    def make() -> Server:
        def script(connection: socket.socket) -> None:
            body = read_request(connection)
            server.requests.append(body)
            made = reply(body)
            for part in [made] if isinstance(made, bytes) else made:
                connection.sendall(part)

        server = Server(script)
        return server

    return make


def read_request(connection: socket.socket) -> bytes:
    """The body of one request."""
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65536)
        if not chunk:
            raise OSError("the client went")
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    (length,) = [
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line[:15].lower() == b"content-length:"
    ]
    while len(body) < length:
        body += connection.recv(65536)
    return body


def response(
    body: bytes, status: str = "200 OK", headers: str = "", *, length: int | None = None
) -> bytes:
    """A response with its length, and what else the headers say."""
    count = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {count}\r\n{headers}\r\n"
    return head.encode("latin-1") + body


def chat(words: object, **choice: Any) -> bytes:
    """A chat completion as an OpenAI-compatible service sends it."""
    message = {"role": "assistant", "content": words}
    first = {"index": 0, "message": message, "finish_reason": "stop", **choice}
    return response(json.dumps({"object": "chat.completion", "choices": [first]}).encode())


def dripping(parts: bytes, seconds: float) -> Iterator[bytes]:
    """A byte at a time."""
    for n in range(len(parts)):
        time.sleep(seconds)
        yield parts[n : n + 1]


def over_tls(certificate: str, script: Script) -> Script:
    """A script that speaks TLS with a certificate (a file with its key)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def wrapped(connection: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            context.wrap_socket(connection, server_side=True) as secure,
        ):
            script(secure)  # type: ignore[arg-type]

    return wrapped
