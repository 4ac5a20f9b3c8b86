"""Clients of the endpoint that know HTTP and nothing else, and the policy's side of a base URL."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from cohort.rollout.chat_answer import MODEL, answer_of
from cohort.rollout.endpoint import Line, endpoint
from cohort.rollout.environments import Call, Sampled, Spoken

ASK = {"model": MODEL, "messages": [{"role": "user", "content": "Add 1 and 2."}]}
ADD = {"type": "function", "function": {"name": "add", "description": "Add.", "parameters": {}}}
HEADERS = {"Content-Type": "application/json"}


def turn(text: str, *calls: Call, **more: Any) -> Spoken:
    """A turn of three tokens, of which the last one ends it."""
    logprobs = np.array([-0.5, -1.0, -0.25], dtype=np.float32)
    tokens = np.array([7, 8, 1], dtype=np.int32)
    sampled = Sampled(tokens, logprobs, 11, lambda ids: {7: "a", 8: "\ufffd", 1: "<end>"}[ids[0]])
    return Spoken(text, 0, calls, content=text, sampled=sampled, **more)


@contextmanager
def answering(*turns: Spoken, model: str = MODEL, ignored: Sequence[str] = ()) -> Iterator[Line]:
    """A base URL whose requests are answered with these turns, in order."""
    line = endpoint().open(model, ignored)

    def answer() -> None:
        for spoken in turns:
            asked = line.next(10)
            if asked is None:
                return
            asked.reply(answer_of(spoken, model))

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield line
    finally:
        endpoint().close(line)
        thread.join(10)


def connected(base_url: str) -> http.client.HTTPConnection:
    address = urlsplit(base_url)
    assert address.hostname == "127.0.0.1"
    return http.client.HTTPConnection(address.hostname, address.port, timeout=20)


def sent(
    base_url: str,
    method: str = "POST",
    path: str = "/chat/completions",
    body: bytes | None = None,
    headers: Mapping[str, str] = HEADERS,
) -> tuple[int, bytes]:
    """What a request comes to."""
    connection = connected(base_url)
    try:
        connection.request(method, urlsplit(base_url).path + path, body, dict(headers))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def ask(base_url: str, **request: Any) -> dict[str, Any]:
    """The answer to a request, as JSON."""
    _, data = sent(base_url, body=json.dumps({**ASK, **request}).encode())
    found: dict[str, Any] = json.loads(data)
    return found


def error(base_url: str, **request: Any) -> tuple[int, Any, Any]:
    """How a request is refused: status, code and parameter."""
    status, data = sent(base_url, body=json.dumps({**ASK, **request}).encode())
    found = json.loads(data)["error"]
    assert set(found) == {"message", "type", "param", "code"}
    return status, found["code"], found["param"]


def said(base_url: str, messages: Sequence[Mapping[str, Any]], **request: Any) -> dict[str, Any]:
    """The message that answers these, as an agent puts it behind them."""
    answer = ask(base_url, messages=list(messages), **request)
    if "error" in answer:
        raise RuntimeError(answer["error"]["message"])
    message: dict[str, Any] = answer["choices"][0]["message"]
    return message


def waiting() -> int:
    """How many requests have a thread."""
    return sum("process_request" in thread.name for thread in threading.enumerate())


def until(held: Any) -> bool:
    """Whether something comes true within five seconds."""
    return any(held() or time.sleep(0.02) for _ in range(250))
