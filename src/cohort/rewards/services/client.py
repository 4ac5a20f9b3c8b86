"""One request to a service, and what came back: the only file that knows the HTTP library.

huggingface_hub brings httpx2; of it only the engine is used, httpcore2, which follows no redirect,
uses no proxy of the environment and keeps no cookie, and which lets us connect for it: to the address
that was checked. Every request has a connection of its own, so that nothing that came for one question
can be taken for the answer to another. There is no timer here: the caller's deadline cancels
whatever phase a request is in.
"""

from __future__ import annotations

import importlib
import json
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from cohort.errors import MissingExtraError, legible
from cohort.rewards.outcome import Failed, Kind
from cohort.rewards.services.address import Destination, Forbidden, Resolve, addresses
from cohort.rewards.services.secret import Secret

MOST_BYTES = 1 << 20
"""Of a response with its headers; what a reward needs is a few kilobytes."""
MOST_COMPLAINT_BYTES, PIECE_BYTES = 4096, 8192
AGAIN_LATER = frozenset((408, 425, 429, 500, 502, 503, 504, 529))
"""Statuses after which the same request may go well."""


class NoAnswer(Exception):
    """A request that brought nothing to use. `after_seconds`: when the service asks to be asked again."""

    def __init__(
        self,
        reason: str,
        *,
        retryable: bool,
        kind: Kind = "unreachable",
        after_seconds: float = 0.0,
    ) -> None:
        super().__init__(reason)
        self.failed = Failed(kind, reason, retryable)
        self.after_seconds = after_seconds


class Stream:
    """A connection of the engine that is read in small pieces, and up to so many bytes.

    What comes before an answer counts too: headers and interim responses can be without end. Between
    two pieces the deadline can step in.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._left = MOST_BYTES

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """The next piece. Raises NoAnswer beyond the most bytes."""
        piece: bytes = await self._inner.read(min(max_bytes, PIECE_BYTES), timeout)
        self._left -= len(piece)
        if self._left < 0:
            raise NoAnswer(f"its answer has more than {MOST_BYTES:,} bytes", retryable=False)
        return piece

    async def start_tls(self, *given: Any, **named: Any) -> Stream:
        """The same connection, encrypted."""
        return Stream(await self._inner.start_tls(*given, **named))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Line:
    """Connections to one address, whatever host is asked for; all are closed with it.

    A request that is cancelled while TLS begins would otherwise leave its connection open.
    """

    def __init__(self, backend: Any, address: str) -> None:
        self._backend = backend
        self._address = address
        self._streams: list[Stream] = []

    async def connect_tcp(self, host: str, port: int, **options: Any) -> Stream:
        """As the engine asks for it."""
        del host
        self._streams.append(
            Stream(await self._backend.connect_tcp(self._address, port, **options))
        )
        return self._streams[-1]

    async def aclose(self) -> None:
        """Close what was opened."""
        for stream in self._streams:
            await stream.aclose()


class Client:
    """Posts JSON to one destination. Each attempt is at the next of its addresses."""

    def __init__(self, to: Destination, key: Secret | None, resolve: Resolve) -> None:
        self._to = to
        self._key = key
        self._resolve = resolve
        self._engine = _library()
        # The system's certificates, or those of SSL_CERT_FILE. Without TLS the context is never used,
        # and loading them takes its time.
        self._trust = (
            self._engine.default_ssl_context()
            if to.scheme == "https"
            else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )

    async def post(self, body: bytes, attempt: int) -> str:
        """The text of a response with status 200. Raises NoAnswer."""
        async with self._response(body, await self._address(attempt)) as response:
            status = response.status
            coding = _header(response, b"content-encoding").strip().lower()
            if status == 200 and coding not in ("", "identity"):
                raise NoAnswer(f"its answer is packed as {legible(coding, 20)}", retryable=False)
            content = await _read(response)
            if status != 200:
                raise self._complaint(status, _header(response, b"retry-after"), content)
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise NoAnswer(f"its answer is not UTF-8: byte {error.start}", retryable=True) from None

    async def _address(self, attempt: int) -> str:
        try:
            known = await addresses(self._to, self._resolve)
        except Forbidden as error:
            raise NoAnswer(f"{self._to.shown} is refused: {error}", retryable=False) from None
        except OSError as error:
            said = legible(str(error.args[-1] if error.args else ""))
            raise NoAnswer(f"{self._to.shown} has no address: {said}", retryable=True) from None
        return known[attempt % len(known)]

    @asynccontextmanager
    async def _response(self, body: bytes, address: str) -> AsyncIterator[Any]:
        """The response's beginning; the connection ends with the block."""
        headers = {
            "Host": self._to.header,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key.reveal()}"
        where = self._engine.URL(
            scheme=self._to.scheme.encode(),
            host=self._to.host.encode(),
            port=self._to.port,
            target=self._to.target.encode(),
        )
        request = self._engine.Request(b"POST", where, headers=list(headers.items()), content=body)
        line = Line(self._engine.AnyIOBackend(), address)
        pool = self._engine.AsyncConnectionPool(ssl_context=self._trust, network_backend=line)
        try:
            yield await pool.handle_async_request(request)
        except (self._engine.NetworkError, self._engine.ProtocolError) as error:
            raise self._unreachable(error) from None  # its cause may hold the request's headers
        finally:
            await pool.aclose()
            await line.aclose()

    def _unreachable(self, error: BaseException) -> NoAnswer:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                reason = f"{self._to.shown} shows a certificate that is not trusted"
                return NoAnswer(f"{reason}: {cause.verify_message}", retryable=False)
            cause = cause.__cause__ or cause.__context__
        said = self._told(str(error)) or type(error).__name__
        return NoAnswer(f"{self._to.shown} does not answer: {said}", retryable=True)

    def _complaint(self, status: int, retry_after: str, content: bytes) -> NoAnswer:
        if 300 <= status < 400:
            reason = f"{self._to.shown} redirects ({status}), which is not followed"
            return NoAnswer(reason, retryable=False)
        said = self._told(_message(content))
        return NoAnswer(
            f"{self._to.shown} answers {status}" + (f": {said}" if said else ""),
            retryable=status in AGAIN_LATER,
            after_seconds=seconds_until(retry_after, datetime.now(UTC)),
        )

    def _told(self, text: str) -> str:
        """A text of the service as a message may show it; not where it repeats the key."""
        if self._key is not None and self._key.is_in(text):
            return "(not shown: it repeats a part of the key)"
        return legible(text, 120)


def seconds_until(asked: str, moment: datetime) -> float:
    """What a Retry-After header asks for: seconds or a date; 0 where it is neither."""
    if re.fullmatch("[0-9]{1,9}", asked.strip()):
        return float(asked)
    try:
        date = parsedate_to_datetime(asked)
        return max(0.0, (date - moment).total_seconds())
    except (ValueError, TypeError, OverflowError):  # no date, or one without its zone
        return 0.0


async def _read(response: Any) -> bytes:
    """The whole body of an answer; of a complaint the beginning is enough."""
    content = bytearray()
    async for piece in response.stream:
        content += piece
        if response.status != 200 and len(content) >= MOST_COMPLAINT_BYTES:
            break
    return bytes(content)


def _message(content: bytes) -> str:
    """What an error of an OpenAI-compatible service says; empty for any other body."""
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    error = said.get("error") if isinstance(said, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) else ""


def _header(response: Any, name: bytes) -> str:
    """The first header of a name; empty where there is none."""
    values = [value for key, value in response.headers if key.lower() == name]
    return str(values[0], "latin-1") if values else ""


def _library() -> Any:
    """The engine of the installed huggingface_hub's HTTP client."""
    for name in ("httpcore2", "httpcore"):  # releases before 2.0 bring the latter
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
    raise MissingExtraError("services are asked by httpx2, which is missing", "pip install httpx2")
