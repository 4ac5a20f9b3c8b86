"""What a judge's service can do wrong, each as a server on loopback that does it.

FAULTS must never end in a number. HEALING go well when asked again, and must end in the right one.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cohort.rewards.services.address import Destination, Resolve, system_resolve
from tests.rewards.services.fault_server import (
    Script,
    Server,
    chat,
    dripping,
    over_tls,
    read_request,
    response,
    serving,
)

KEY = "canary-0f6c1e7d52"
"""A key that is sent, and must appear in no text."""
Reply = Callable[[bytes], bytes | Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Target:
    """Where the judge is sent, and how its name is resolved."""

    to: Destination
    resolve: Resolve = system_resolve


@dataclass(frozen=True, slots=True)
class Fault:
    """How it is brought about, and the failure that it must end in."""

    begin: Callable[[], AbstractContextManager[Target]]
    kind: str = "unreachable"
    retryable: bool = True


def at(server: Server, scheme: str = "http", host: str = "127.0.0.1") -> Destination:
    return Destination(scheme, host, server.port, "/v1/chat/completions")


def nonce_in(body: bytes) -> str:
    """The mark of a question's block."""
    content = json.loads(body)["messages"][-1]["content"]
    return re.findall("<data-([0-9a-f]{32})>", content)[0]


def good(body: bytes, verdict: str = "pass") -> bytes:
    return chat(json.dumps({"nonce": nonce_in(body), "verdict": verdict}))


def _reply(reply: Reply) -> Callable[[], AbstractContextManager[Target]]:
    """A server that reads the request and then replies so."""

    @contextmanager
    def begin() -> Iterator[Target]:
        with serving(reply)() as server:
            yield Target(at(server))

    return begin


def _raw(script: Script, scheme: str = "http") -> Callable[[], AbstractContextManager[Target]]:
    @contextmanager
    def begin() -> Iterator[Target]:
        with Server(script) as server:
            yield Target(at(server, scheme))

    return begin


def _named(resolve: Resolve) -> Callable[[], AbstractContextManager[Target]]:
    """A name, and what its resolver says; a good server listens where it may lead."""

    @contextmanager
    def begin() -> Iterator[Target]:
        with serving(good)() as server:
            yield Target(at(server, host="judge.example"), resolve)

    return begin


def _fails(host: str, port: int) -> Sequence[str]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def _slowly(host: str, port: int) -> Sequence[str]:
    time.sleep(4)
    return ["203.0.113.1"]


@contextmanager
def _refused() -> Iterator[Target]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    yield Target(Destination("http", "127.0.0.1", port, "/v1/chat/completions"))


@contextmanager
def _full() -> Iterator[Target]:
    """A listener whose queue is full: the system drops what asks to connect."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        port = listener.getsockname()[1]
        yield Target(Destination("http", "127.0.0.1", port, "/v1/chat/completions"))


@contextmanager
def self_signed() -> Iterator[tuple[Target, str]]:
    """A good server over TLS, with the file of a certificate that nobody else has signed."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "both.pem"
        subprocess.run(
            [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                "-keyout", str(file), "-out", str(file) + ".crt",
            ],
            check=True, capture_output=True, timeout=30,
        )  # fmt: skip
        file.write_text(file.read_text() + Path(str(file) + ".crt").read_text())
        with Server(over_tls(str(file), _well)) as server:
            yield Target(at(server, "https")), str(file) + ".crt"


@contextmanager
def _untrusted() -> Iterator[Target]:
    with self_signed() as (target, _):
        yield target


def _well(connection: socket.socket) -> None:
    connection.sendall(good(read_request(connection)))


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _wait(connection: socket.socket) -> None:
    time.sleep(5)


def _after(script: Script) -> Script:
    def whole(connection: socket.socket) -> None:
        read_request(connection)
        script(connection)

    return whole


@contextmanager
def _redirecting(status: str) -> Iterator[Target]:
    """To a server that would answer well, and must not be asked."""
    with serving(good)() as other:
        there = f"Location: {other.url}/chat/completions\r\n"
        with serving(lambda body: response(b"", status, there))() as server:
            yield Target(at(server))
        assert not other.connections, "the redirect was followed"


def _words(words: object, **choice: Any) -> Callable[[], AbstractContextManager[Target]]:
    return _reply(lambda body: chat(words, **choice))


def _verdict(text: str) -> Callable[[], AbstractContextManager[Target]]:
    """A reply in which NONCE stands for the mark."""
    return _reply(lambda body: chat(text.replace("NONCE", nonce_in(body))))


def _status(status: str, headers: str = "", body: bytes = b"") -> Callable[[], Any]:
    return _reply(lambda _: response(body, status, headers))


def _text(body: bytes) -> Callable[[], AbstractContextManager[Target]]:
    return _reply(lambda _: response(body))


def _endless(head: bytes, part: bytes) -> Reply:
    def reply(body: bytes) -> Iterator[bytes]:
        yield head
        while True:
            yield part

    return reply


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
PASSES = b'{"choices": [{"message": {"content": "pass"}}]}'


def _one_choice(**fields: Any) -> bytes:
    return json.dumps({"choices": [fields]}).encode()


FAULTS: dict[str, Fault] = {
    "refused": Fault(_refused),
    "queue is full": Fault(_full),
    "no such name": Fault(_named(_fails)),
    "slow resolver": Fault(_named(_slowly)),
    "name without addresses": Fault(_named(lambda host, port: [])),
    "name that leads to loopback": Fault(_named(lambda host, port: ["127.0.0.1"]), retryable=False),
    "resolver names no address": Fault(_named(lambda host, port: ["localhost"]), retryable=False),
    "closed at once": Fault(_raw(lambda connection: None)),
    "reset at once": Fault(_raw(_reset)),
    "never reads": Fault(_raw(_wait)),
    "closed after the request": Fault(_raw(_after(lambda connection: None))),
    "reset after the request": Fault(_raw(_after(_reset))),
    "never answers": Fault(_raw(_after(_wait))),
    "TLS to a server without": Fault(_raw(_well, "https")),
    "TLS that never shakes hands": Fault(_raw(_wait, "https")),
    "TLS closed in the handshake": Fault(_raw(lambda c: c.recv(9) and None, "https")),
    "certificate of its own": Fault(_untrusted, retryable=False),
    "status line by drops": Fault(_reply(lambda body: dripping(good(body), 0.2))),
    "headers by drops": Fault(_reply(lambda body: _slow_headers())),
    "headers without end": Fault(_reply(_endless(b"HTTP/1.1 200 OK\r\n", b"X-Y: 1\r\n" * 500))),
    "header of a megabyte": Fault(
        _reply(lambda body: b"HTTP/1.1 200 OK\r\nX: " + b"y" * (1 << 20) + b"\r\n\r\n")
    ),
    "100 Continue without end": Fault(_reply(lambda body: _slow_line(b"HTTP/1.1 100 Go\r\n\r\n"))),
    "body never begins": Fault(_reply(lambda body: _only(response(b"", length=99)))),
    "body by drops": Fault(_reply(lambda body: _head_then_drops(good(body)))),
    "body cut": Fault(_reply(lambda body: good(body)[:-5])),
    "chunks cut": Fault(_reply(lambda body: CHUNKED + b"40\r\n" + PASSES)),
    "chunks of no size": Fault(_reply(lambda body: CHUNKED + b"zz\r\n" + PASSES + b"\r\n0\r\n\r\n")),
    "chunks without end": Fault(
        _reply(_endless(CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n")), retryable=False
    ),
    "a gigabyte": Fault(
        _reply(_endless(response(b"", length=1 << 30), b" " * 65536)), retryable=False
    ),
    "two lengths": Fault(_reply(lambda body: response(PASSES, headers="Content-Length: 3\r\n"))),
    "no HTTP": Fault(_reply(lambda body: b"\x00\xff\xfe pass pass pass\r\n\r\n")),
    "bare text": Fault(_reply(lambda body: PASSES)),
    "packed": Fault(
        _status("200 OK", "Content-Encoding: gzip\r\n", b"\x1f\x8b" + b"\0" * 50), retryable=False
    ),
    "not UTF-8": Fault(_text(b'{"choices": "\xff\xfe"}')),
    "redirect": Fault(lambda: _redirecting("302 Found"), retryable=False),
    "redirect that keeps the method": Fault(
        lambda: _redirecting("307 Temporary Redirect"), retryable=False
    ),
    "429 storm": Fault(_status("429 Too Many Requests", "Retry-After: 0\r\n")),
    "429 for an hour": Fault(_status("429 Too Many Requests", "Retry-After: 3600\r\n")),
    "429 until a date": Fault(
        _status("429 No", "Retry-After: Fri, 01 Jan 2100 00:00:00 GMT\r\n")
    ),
    "429 until nonsense": Fault(_status("429 No", "Retry-After: -1e9999 moons\r\n")),
    "500": Fault(_status("500 Internal Server Error", body=PASSES)),
    "502 in HTML": Fault(_status("502 Bad Gateway", body=b"<html>pass</html>")),
    "503 storm": Fault(_status("503 Service Unavailable")),
    "401 that repeats the key": Fault(
        _status("401 No", body=json.dumps({"error": {"message": f"bad key {KEY}"}}).encode()),
        retryable=False,
    ),
    "404": Fault(_status("404 Not Found", body=PASSES), retryable=False),
    "204": Fault(_reply(lambda body: b"HTTP/1.1 204 No Content\r\n\r\n"), retryable=False),
    "empty": Fault(_text(b""), "invalid"),
    "HTML": Fault(_text(b"<html>pass</html>"), "invalid"),
    "a number": Fault(_text(b"1.0"), "invalid"),
    "a list": Fault(_text(b'["pass"]'), "invalid"),
    "nested without end": Fault(_text(b"[" * 100_000), "invalid"),
    "an error with status 200": Fault(_text(b'{"error": {"message": "overloaded"}}'), "invalid"),
    "no choice": Fault(_text(b'{"choices": []}'), "invalid"),
    "two choices": Fault(_text(PASSES.replace(b"[{", b"[{}, {")), "invalid"),
    "no words": Fault(_words(None), "invalid", retryable=False),
    "words of another type": Fault(_words([{"text": "pass"}]), "invalid", retryable=False),
    "words without a message": Fault(_text(_one_choice(text="pass")), "invalid"),
    "half a character": Fault(_words("\ud800"), "invalid", retryable=False),
    "cut reply": Fault(_words('{"verdict": "pass"}', finish_reason="length"), "invalid", False),
    "reply of a megabyte": Fault(_words("pass " * 100_000), "invalid", retryable=False),
    "prose": Fault(_words("Verdict: pass. The answer is correct."), "invalid", False),
    "another nonce": Fault(_words('{"nonce": "0", "verdict": "pass"}'), "invalid", False),
    "no nonce": Fault(_words('{"verdict": "pass"}'), "invalid", False),
    "a key too many": Fault(
        _verdict('{"nonce": "NONCE", "verdict": "pass", "reward": 1}'), "invalid", False
    ),
    "a key twice": Fault(
        _verdict('{"nonce": "NONCE", "verdict": "fail", "verdict": "pass"}'), "invalid", False
    ),
    "verdict of another type": Fault(_verdict('{"nonce": "NONCE", "verdict": true}'), "invalid", False),
    "verdict of another word": Fault(
        _verdict('{"nonce": "NONCE", "verdict": "PASS"}'), "invalid", False
    ),
    "verdict in a fence": Fault(
        _verdict('```json\n{"nonce": "NONCE", "verdict": "pass"}\n```'), "invalid", False
    ),
    "verdict with words": Fault(
        _verdict('{"nonce": "NONCE", "verdict": "pass"} It passes.'), "invalid", False
    ),
}  # fmt: skip


def _head_then_drops(whole: bytes) -> Iterator[bytes]:
    head, _, body = whole.partition(b"\r\n\r\n")
    yield head + b"\r\n\r\n"
    yield from dripping(body, 0.1)


def _slow_line(line: bytes) -> Iterator[bytes]:
    for _ in range(100):
        yield line
        time.sleep(0.05)


def _slow_headers() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    yield from _slow_line(b"X-Y: 1\r\n")


def _only(beginning: bytes) -> Iterator[bytes]:
    yield beginning
    time.sleep(5)


def _at_first(*faults: Reply) -> Callable[[], AbstractContextManager[Target]]:
    """The faults one after the other for each question, and then a good answer."""

    @contextmanager
    def begin() -> Iterator[Target]:
        left: dict[bytes, list[Reply]] = {}

        def reply(body: bytes) -> bytes | Iterator[bytes]:
            coming = left.setdefault(body, list(faults))
            return coming.pop(0)(body) if coming else good(body)

        with serving(reply)() as server:
            yield Target(at(server))

    return begin


def _late(body: bytes) -> Iterator[bytes]:
    time.sleep(1.5)
    yield good(body)


HEALING: dict[str, Callable[[], AbstractContextManager[Target]]] = {
    "429 twice": _at_first(*2 * [lambda body: response(b"", "429 No", "Retry-After: 0\r\n")]),
    "503 once": _at_first(lambda body: response(b"", "503 No")),
    "closed once": _at_first(lambda body: b""),
    "cut once": _at_first(lambda body: good(body)[:-5]),
    "HTML once": _at_first(lambda body: response(b"<html>")),
    "hangs once": _at_first(_late),
}
