"""Agents at fault, at the endpoint: they fail, or are told what is wrong and go on."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any
from urllib.parse import urlsplit

from cohort.data.records import Problem
from cohort.rollout.agent_environment import AgentEnvironment
from proofs.episode_ground import Fault, hang
from proofs.faulty_tools import MARKUP, TEN_MB

Body = Callable[[str], Any]
USER = {"role": "user", "content": "hello"}
ASK: dict[str, Any] = {"model": "cohort", "messages": [USER]}


class Refused(RuntimeError):
    """The endpoint answered with an error."""


def agent(body: Body, kind: str = "", **more: str) -> Fault:
    """An agent that does this with its base URL."""

    def run(base_url: str, problem: Problem) -> Any:
        return body(base_url)

    return Fault(lambda: AgentEnvironment(run, seconds=3.0), kind, **more)  # type: ignore[arg-type]


def begun(base_url: str, body: bytes, length: int | None = None) -> http.client.HTTPConnection:
    """A request on its way."""
    address = urlsplit(base_url)
    connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=20)
    headers = {"Content-Length": str(len(body) if length is None else length)}
    connection.request("POST", f"{address.path}/chat/completions", body, headers)
    return connection


def asked(base_url: str, body: bytes | None = None, **request: Any) -> dict[str, Any]:
    """The message that a request is answered with. Raises Refused."""
    connection = begun(base_url, body or json.dumps(ASK | request).encode())
    with contextlib.closing(connection):
        answer = json.loads(connection.getresponse().read())
    if "error" in answer:
        raise Refused(answer["error"]["message"])
    return dict(answer["choices"][0]["message"])


def refused(base_url: str, body: bytes | None = None, **request: Any) -> None:
    """A request that must be refused."""
    with contextlib.suppress(Refused):
        asked(base_url, body, **request)
        raise AssertionError(f"it was answered: {request}")


def usual(base_url: str) -> dict[str, Any]:
    """An agent as it should be: two turns."""
    said = asked(base_url)
    asked(base_url, messages=[USER, said, {"role": "user", "content": "go on"}])
    return {"turns": 2}


def then_usual(**request: Any) -> Body:
    """A request that is refused, and then the usual."""

    def body(base_url: str) -> Any:
        refused(base_url, **request)
        return usual(base_url)

    return body


def raises(error: BaseException) -> Body:
    def body(base_url: str) -> None:
        asked(base_url)
        raise copy(error)  # one that is raised again and again would keep all that it came through

    return body


def returns(value: Any) -> Body:
    def body(base_url: str) -> Any:
        asked(base_url)
        return value

    return body


def raises_first(base_url: str) -> None:
    raise OSError("no tools today")


def hangs_first(base_url: str) -> None:
    hang()


def hangs(base_url: str) -> None:
    asked(base_url)
    hang()


def rewrites(base_url: str) -> None:
    asked(base_url)
    asked(base_url, messages=[USER, {"role": "assistant", "content": "other"}, USER])


def forks(base_url: str) -> None:
    asked(base_url)
    asked(base_url)


def in_parallel(base_url: str) -> None:
    threads = [threading.Thread(target=_quietly, args=(base_url,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)


def _quietly(base_url: str) -> None:
    with contextlib.suppress(Refused, OSError, http.client.HTTPException):
        asked(base_url)


def asks_later(base_url: str) -> Any:
    def later() -> None:
        hang()
        refused(base_url)

    facts = usual(base_url)
    threading.Thread(target=later, daemon=True).start()
    return facts


def hangs_up(base_url: str) -> None:
    begun(base_url, json.dumps(ASK).encode()).close()
    hang()


def hangs_up_and_asks_again(base_url: str) -> Any:
    begun(base_url, json.dumps(ASK).encode()).close()
    return usual(base_url)


def leaves_a_stream(base_url: str) -> Any:
    connection = begun(base_url, json.dumps(ASK | {"stream": True}).encode())
    with contextlib.closing(connection):
        connection.getresponse().read(5)
    return {"turns": 1}


def cut_off(base_url: str) -> Any:
    begun(base_url, b'{"model": "cohort"', length=5000).close()
    return usual(base_url)


def trickles(base_url: str) -> Any:
    connection = begun(base_url, b'{"model"', length=5000)
    facts = usual(base_url)
    connection.close()
    return facts


def later_10_mb(base_url: str) -> None:
    said = asked(base_url)
    asked(base_url, messages=[USER, said, {"role": "user", "content": "a b " * (TEN_MB // 4)}])


def without_end(base_url: str) -> None:
    messages: list[Any] = [USER]
    while True:
        messages += [asked(base_url, messages=messages), {"role": "user", "content": "go on"}]


def marked_up(base_url: str) -> Any:
    said = asked(base_url)
    asked(base_url, messages=[USER, said, {"role": "user", "content": MARKUP}])
    return {}


PART = {"type": "image_url", "image_url": {"url": "http://127.0.0.1/a.png"}}
AGENTS: Mapping[str, Fault] = {
    "agent is as it should be": agent(usual, stop="end"),
    "agent raises before it asks": agent(raises_first, "raised"),
    "agent never asks": agent(lambda base_url: {}, "raised"),
    "agent hangs before it asks": agent(hangs_first, "deadline"),
    "agent raises": agent(raises(ValueError("lost")), "raised"),
    "agent exits": agent(raises(SystemExit(3)), "raised"),
    "agent hangs": agent(hangs, "deadline"),
    "agent returns a number": agent(returns(3), "invalid"),
    "agent returns NaN": agent(returns({"reward": float("nan")}), "invalid"),
    "agent returns a set": agent(returns({"seen": {1, 2}}), "invalid"),
    "agent rewrites what was said": agent(rewrites, "invalid"),
    "agent asks the same twice": agent(forks, "invalid"),
    "agent asks in parallel": agent(in_parallel, "invalid"),
    "agent asks after the episode": agent(asks_later, stop="end"),
    "agent hangs up and hangs": agent(hangs_up, "deadline"),
    "agent hangs up and asks again": agent(hangs_up_and_asks_again, stop="end"),
    "agent leaves in the middle of a stream": agent(leaves_a_stream, stop="end"),
    "request is cut off": agent(cut_off, stop="end"),
    "request trickles": agent(trickles, stop="end"),
    "request is no JSON": agent(then_usual(body=b'{"model"'), stop="end"),
    "request is no JSON, and the agent gives up": agent(
        lambda base_url: asked(base_url, b"[" * 200_000), "raised"
    ),
    "request is binary": agent(then_usual(body=bytes(range(256))), stop="end"),
    "request asks another model": agent(then_usual(model="gpt"), stop="end"),
    "request has an unknown role": agent(
        then_usual(messages=[{"role": "robot", "content": "hi"}]), stop="end"
    ),
    "request has a result of no call": agent(
        then_usual(messages=[USER, {"role": "tool", "content": "3", "tool_call_id": "x"}]), stop="end"
    ),
    "request has an image": agent(
        then_usual(messages=[{"role": "user", "content": [PART]}]), stop="end"
    ),
    "request has half a character": agent(
        then_usual(messages=[{"role": "user", "content": "\ud800"}]), stop="end"
    ),
    "request asks for two answers": agent(then_usual(n=2), stop="end"),
    "request has tools that are none": agent(then_usual(tools=[{"type": "x"}]), stop="end"),
    "first message has 10 MB": agent(
        lambda base_url: asked(base_url, messages=[{"role": "user", "content": "a " * (TEN_MB // 2)}]),
        "invalid",
    ),
    "second message has 10 MB": agent(later_10_mb, stop="length"),
    "agent goes on without end": agent(without_end, stop="turns"),
    "agent sends control tokens": agent(marked_up, seen=MARKUP, stop="end"),
}  # fmt: skip
