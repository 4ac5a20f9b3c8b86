"""Who may ask the server what, and what every answer says about itself.

A page of another site cannot read anything here: the token is not in its reach, a name that was rebound to
this machine is not ours, and no answer may be framed, embedded or guessed to be a script. Refused is also
every method that could change something, although nothing here can.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""What every answer carries, refusals too."""

DATA = "/api/"
"""The paths whose answers are of a run; the others are the page itself, the same for everybody."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Guard:
    """An ASGI application that asks another one, where the request may be answered at all."""

    def __init__(self, application: Application, *, token: str, port: int) -> None:
        self._application = application
        self._token = token.encode()
        self._hosts = {f"{name}:{port}".encode() for name in ("127.0.0.1", "localhost", "[::1]")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See Application."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._application(scope, receive, send)
            return
        refused = self._refusal(scope)
        if refused is None:
            await self._application(scope, receive, _with_headers(send))
        else:
            await _refuse(send, *refused)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """The status and the reason, None for a request that may be answered."""
        host, origin = (_header(scope["headers"], name) for name in (b"host", b"origin"))
        if scope["method"] not in ("GET", "HEAD"):
            return 405, "this server only reads"
        if host not in self._hosts:
            return 421, "this server is reached as 127.0.0.1 only"
        if origin is not None and origin.removeprefix(b"http://") not in self._hosts:
            return 403, "a page of another site may not ask"
        if _header(scope["headers"], b"sec-fetch-site") in (b"cross-site", b"same-site"):
            return 403, "a page of another site may not ask"
        given = _header(scope["headers"], b"authorization") or b""
        if scope["path"].startswith(DATA) and not secrets.compare_digest(
            given, b"Bearer " + self._token
        ):
            return 401, "the token is missing or another one."
        return None


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """A header's value; one that is given twice counts as a wrong one."""
    found = [value for key, value in headers if key.lower() == name]
    if not found:
        return None
    return found[0] if len(found) == 1 else b""


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
            message = {**message, "headers": [*message.get("headers", ()), *own]}
        await send(message)

    return sending


async def _refuse(send: Send, status: int, reason: str) -> None:
    body = json.dumps({"error": reason}).encode()
    sending = _with_headers(send)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await sending({"type": "http.response.start", "status": status, "headers": headers})
    await sending({"type": "http.response.body", "body": body})
