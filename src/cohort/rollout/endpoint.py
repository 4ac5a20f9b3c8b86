"""An OpenAI-compatible endpoint on the loopback, one base URL for each episode.

    POST /<episode>/v1/chat/completions     messages, perhaps tools and stream
    GET  /<episode>/v1/models

A request waits until the sampler has answered it; one whose client hangs up is noticed. The name of an
episode is a secret of 128 bits, so nobody else's program can speak in it, and a request that names another
host than the loopback's is refused, so no page in a browser can. Each connection is for one request:
no thread outlives its request, and none waits for an episode that is over.
"""

from __future__ import annotations

import json
import queue
import secrets
import select
import socket
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cohort.rollout.chat_answer import MODEL, Answer, model_card, models, refused, stream, whole
from cohort.rollout.chat_request import ChatRequest, Refusal, read_request

MOST_BYTES = 64 * 2**20
"""Of a request."""
SECONDS = 30.0
"""That sending a request, or taking an answer, may stand still."""
LOOK_SECONDS = 0.25
"""Between two looks at whether a client that waits is still there."""
_MAKING = threading.Lock()
OVER = Refusal("there is no such base URL, or its episode is over", status=404, code="episode_over")


class Asked:
    """A request on its way, which is replied to once: with a turn, or with why there is none.

    is_there: whether its client still waits.
    """

    def __init__(self, request: ChatRequest, is_there: Callable[[], bool]) -> None:
        self.request, self.is_there = request, is_there
        self._said: queue.SimpleQueue[Answer | Refusal] = queue.SimpleQueue()
        self._taken = threading.Event()
        self._lost = False

    def reply(self, said: Answer | Refusal) -> None:
        """What it is answered with."""
        self._said.put(said)

    def lost(self) -> bool:
        """Whether the client went away without its answer; waits until that is known."""
        self._taken.wait(2 * SECONDS)
        return self._lost

    def answer(self) -> Answer | Refusal | None:
        """What was said, once it is; None where the client has gone."""
        while self.is_there():
            try:
                said = self._said.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                continue
            return said if self.is_there() else None
        return None

    def done(self, *, lost: bool) -> None:
        """The answer was taken, or the client had gone."""
        self._lost = lost
        self._taken.set()


class Line:
    """What an agent asks through one base URL, in order; None where it is told to end."""

    def __init__(self, name: str, base_url: str, model: str, ignored: Collection[str]) -> None:
        self.name, self.base_url, self.model, self.ignored = name, base_url, model, ignored
        self._asked: queue.SimpleQueue[Asked | None] = queue.SimpleQueue()
        self._turn = threading.Lock()
        self._closed = False

    def ask(self, asked: Asked) -> None:
        """From a client."""
        with self._turn:
            if self._closed:
                asked.reply(OVER)
            else:
                self._asked.put(asked)

    def next(self, seconds: float) -> Asked | None:
        """What is asked next by somebody who still waits for the answer. Raises TimeoutError."""
        while True:
            try:
                asked = self._asked.get(timeout=seconds)
            except queue.Empty:
                raise TimeoutError(f"the agent asked nothing for {seconds:g} s") from None
            if asked is None or asked.is_there():
                return asked

    def end(self) -> None:
        """Nothing more will be asked."""
        self._asked.put(None)

    def close(self) -> None:
        """Whatever is asked, or was and is not answered, is refused; who waits for it waits no more."""
        with self._turn:
            self._closed = True
            while not self._asked.empty():
                asked = self._asked.get()
                if asked is not None:
                    asked.reply(OVER)
            self._asked.put(None)


class Endpoint:
    """The server of this process; it has a thread for each request."""

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.lines = self._lines
        threading.Thread(
            target=self._server.serve_forever, name="cohort endpoint", daemon=True
        ).start()

    def open(self, model: str = MODEL, ignored: Collection[str] = ()) -> Line:
        """A new base URL, under which the policy is called `model`."""
        name = secrets.token_hex(16)
        line = Line(name, f"http://127.0.0.1:{self._server.server_port}/{name}/v1", model, ignored)
        self._lines[name] = line
        return line

    def close(self, line: Line) -> None:
        """Its requests are refused from now on."""
        self._lines.pop(line.name, None)
        line.close()


def endpoint() -> Endpoint:
    """The one of this process, made when it is first asked for; from any thread."""
    with _MAKING:
        return _made()


@cache
def _made() -> Endpoint:
    return Endpoint()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    lines: Mapping[str, Line]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error of ours; everything else is."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    timeout = SECONDS
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the run's own output is not the place."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the library refuses (a method, a line that is no HTTP), in the protocol's form."""
        self._refuse(Refusal(message or "this is no request", status=code))

    def do_GET(self) -> None:
        """The list of models, or the one that there is."""
        try:
            line, path = self._line()
            if path == "models":
                self._send(200, json.dumps(models(line.model)).encode())
            elif path == f"models/{line.model}":
                self._send(200, json.dumps(model_card(line.model)).encode())
            else:
                raise self._unknown()
        except Refusal as refusal:
            self._refuse(refusal)

    def do_POST(self) -> None:
        """A chat completion."""
        try:
            line, path = self._line()
            if path != "chat/completions":
                raise self._unknown()
            again = self.headers.get("x-stainless-retry-count", "0") != "0"
            request = read_request(
                self._body(), model=line.model, ignored=line.ignored, again=again
            )
        except Refusal as refusal:
            self._refuse(refusal)
            return
        asked = Asked(request, self._is_there)
        line.ask(asked)
        lost = True
        try:
            lost = not self._answered(asked)
        finally:
            asked.done(lost=lost)

    def _answered(self, asked: Asked) -> bool:
        """Wait for the answer and send it; whether there was still somebody to send it to."""
        said = asked.answer()
        if said is None:
            return False
        if isinstance(said, Refusal):
            self._refuse(said)
        elif asked.request.stream:
            self._send(200, stream(said, asked.request), "text/event-stream")
        else:
            self._send(200, whole(said, asked.request))
        return True

    def _is_there(self) -> bool:
        """Whether the client has not hung up: there is nothing to read, or more than the end."""
        looking = select.poll()
        try:
            looking.register(self.connection, select.POLLIN)
            return not looking.poll(0) or bool(self.connection.recv(1, socket.MSG_PEEK))
        except (OSError, ValueError):  # of a socket that is closed already
            return False

    def _line(self) -> tuple[Line, str]:
        """The episode, and what is asked of it. Raises Refusal."""
        port = self.server.server_port
        if self.headers.get("Host") not in (f"127.0.0.1:{port}", f"localhost:{port}"):
            raise Refusal("this endpoint is of the loopback alone", status=403, code="wrong_host")
        name, _, path = self.path.lstrip("/").partition("/v1/")
        line = self.server.lines.get(name)
        if line is None:
            raise OVER
        return line, path.partition("?")[0].rstrip("/")

    def _unknown(self) -> Refusal:
        path = self.path.partition("/v1/")[2][:100]
        return Refusal(f"there is no {self.command} /v1/{path}", status=404, code="unknown_url")

    def _body(self) -> bytes:
        """What was sent. Raises Refusal."""
        told = self.headers.get("Content-Length") or ""
        if not (told.isascii() and told.isdigit()):
            raise Refusal("a request says how long it is, as Content-Length", status=411)
        if int(told[:20]) > MOST_BYTES:
            raise Refusal(f"a request may have {MOST_BYTES:,} bytes", status=413)
        data = self.rfile.read(int(told))
        if len(data) < int(told):
            raise ConnectionAbortedError(f"{len(data)} of {told} bytes came")
        return data

    def _refuse(self, refusal: Refusal) -> None:
        self._send(refusal.status, refused(refusal))

    def _send(self, status: int, data: bytes, kind: str = "application/json") -> None:
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        if status >= 400:
            self.send_header("x-should-retry", "false")  # for clients that would ask again
        self.end_headers()
        self.wfile.write(data)
