"""An OpenAI-compatible endpoint on the loopback, one base URL for each episode.

    POST /<episode>/v1/chat/completions     messages, perhaps tools and stream
    GET  /<episode>/v1/models

A request waits until the sampler has answered it. What is sampled is what the policy is trained with, so
options that would change it (temperature, top_p, stop, n) are refused unless they ask for what is done
anyway. The name of an episode is a secret of 128 bits: nobody else's program can speak in it.
"""

from __future__ import annotations

import json
import queue
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "cohort"
"""The only model that there is."""
MOST_BYTES = 64 * 2**20
"""Of a request."""
ONLY: Mapping[str, tuple[object, ...]] = {
    "n": (None, 1),
    "stop": (None, [], ""),
    "top_p": (None, 1),
    "presence_penalty": (None, 0),
    "frequency_penalty": (None, 0),
    "logit_bias": (None, {}),
}
"""Options that change what is sampled, and the values of them that change nothing."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of an agent, and how it is answered: with a message, or with why there is none."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    reply: Callable[[Mapping[str, Any]], None]
    refuse: Callable[[str], None]


@dataclass(slots=True)
class Line:
    """What an agent asks through one base URL, in order."""

    name: str
    base_url: str
    asked: queue.SimpleQueue[Asked | None] = field(default_factory=queue.SimpleQueue)


class Endpoint:
    """The server of this process; it has a thread for each request."""

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}
        handler = type("Handler", (_Handler,), {"lines": self._lines})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(
            target=self._server.serve_forever, name="cohort endpoint", daemon=True
        ).start()

    def open(self) -> Line:
        """A new base URL."""
        name = secrets.token_hex(16)
        host, port = self._server.server_address[:2]
        line = Line(name, f"http://{host!s}:{port}/{name}/v1")
        self._lines[name] = line
        return line

    def close(self, line: Line) -> None:
        """Its requests are refused from now on."""
        self._lines.pop(line.name, None)


@cache
def endpoint() -> Endpoint:
    """The one of this process, made when it is first asked for."""
    return Endpoint()


class _Handler(BaseHTTPRequestHandler):
    """One request. `lines` is set by the endpoint."""

    lines: dict[str, Line]
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the run's own output is not the place."""

    def do_GET(self) -> None:
        """The list of models."""
        if self._line("models") is not None:
            self._send(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    def do_POST(self) -> None:
        """A chat completion."""
        line = self._line("chat/completions")
        request = None if line is None else self._request()
        if line is None or request is None:
            return
        said: queue.SimpleQueue[tuple[int, Mapping[str, Any]]] = queue.SimpleQueue()
        line.asked.put(
            Asked(
                request["messages"],
                list(request.get("tools") or []),
                lambda message: said.put((200, message)),
                lambda why: said.put((409, _error(why))),
            )
        )
        code, answer = said.get()
        if code != 200:
            self._send(code, answer)
        elif request.get("stream"):
            self._stream(answer)
        else:
            self._send(200, _completion(answer))

    def _line(self, wanted: str) -> Line | None:
        name, _, path = self.path.lstrip("/").partition("/v1/")
        line = self.lines.get(name)
        if line is None or path.rstrip("/") != wanted:
            self._send(404, _error(f"there is no {self.command} {self.path[:200]}"))
            return None
        return line

    def _request(self) -> dict[str, Any] | None:
        """What was asked; None where it was refused already."""
        length = int(self.headers.get("Content-Length") or 0)
        if length > MOST_BYTES:
            self.close_connection = True
            self._send(413, _error(f"a request may have {MOST_BYTES:,} bytes"))
            return None
        try:
            found = json.loads(self.rfile.read(length))
        except ValueError:
            found = None
        wrong = _wrong(found)
        if wrong:
            self._send(400, _error(wrong))
            return None
        request: dict[str, Any] = found
        return request

    def _send(self, code: int, answer: Mapping[str, Any]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, message: Mapping[str, Any]) -> None:
        """The whole message as one event, its end as another: a turn is answered when it is whole."""
        calls = [{"index": n} | call for n, call in enumerate(message.get("tool_calls") or ())]
        delta = {k: v for k, v in message.items() if k not in ("finish", "usage")}
        if calls:
            delta["tool_calls"] = calls
        events = [_chunk(delta, None), _chunk({}, _finish(message))]
        data = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(data.encode())))
        self.end_headers()
        self.wfile.write(data.encode())


def _wrong(request: Any) -> str:
    """Why a request cannot be answered; empty where it can."""
    if not isinstance(request, dict) or not isinstance(request.get("messages"), list):
        return "a request is a JSON object with messages"
    messages = request["messages"]
    if not messages or not all(isinstance(m, dict) and m.get("role") for m in messages):
        return "messages is a list of objects with a role and a content"
    for name, allowed in ONLY.items():
        if request.get(name) not in allowed:
            return (
                f"{name} would change what is sampled, and the stage's recipe says how that is done"
            )
    return ""


def _finish(message: Mapping[str, Any]) -> str:
    return "tool_calls" if message.get("tool_calls") else str(message.get("finish", "stop"))


def _completion(message: Mapping[str, Any]) -> dict[str, Any]:
    own = {k: v for k, v in message.items() if k not in ("finish", "usage")}
    choice = {"index": 0, "message": own, "finish_reason": _finish(message)}
    usage = message.get("usage") or {}
    return _envelope("chat.completion") | {"choices": [choice], "usage": usage}


def _chunk(delta: Mapping[str, Any], finish: str | None) -> dict[str, Any]:
    choice = {"index": 0, "delta": dict(delta), "finish_reason": finish}
    return _envelope("chat.completion.chunk") | {"choices": [choice]}


def _envelope(kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{secrets.token_hex(8)}", "object": kind, "created": 0, "model": MODEL}


def _error(why: str) -> dict[str, Any]:
    return {"error": {"message": why, "type": "invalid_request_error"}}
