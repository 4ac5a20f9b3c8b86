"""A turn of the policy as the answer to an agent: whole, or as the events of a stream.

A turn is answered when it is whole, so a stream has one event with the message and one with its end.
`usage` counts what the policy read and what was sampled, the token that ended the turn included; so do
log-probabilities, which add up to that of the turn.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cohort.rollout.chat_request import ChatRequest, Refusal
from cohort.rollout.environments import Sampled, Spoken
from cohort.rollout.messages import said

MODEL = "cohort"
"""What the policy is called where nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A turn, for the agent that asked for it. message: as the protocol has it."""

    message: Mapping[str, Any]
    sampled: Sampled | None
    model: str = MODEL

    @property
    def finish(self) -> str:
        """Why it ended: by an end token, or in order to have tools called."""
        return "tool_calls" if self.message.get("tool_calls") else "stop"

    @property
    def usage(self) -> dict[str, int]:
        """Tokens read and sampled."""
        read, own = (self.sampled.before, len(self.sampled.tokens)) if self.sampled else (0, 0)
        return {"prompt_tokens": read, "completion_tokens": own, "total_tokens": read + own}


def answer_of(spoken: Spoken, model: str) -> Answer:
    """A turn as an answer; what of it was meant as a call and could not be read stays text."""
    message = said(spoken)
    message["content"] = spoken.text if spoken.mistakes else spoken.content
    if "tool_calls" in message:
        message["content"] = message["content"] or None
        message["tool_calls"] = [
            {
                **call,
                "function": {**call["function"], "arguments": _json(call["function"]["arguments"])},
            }
            for call in message["tool_calls"]
        ]
    return Answer(message, spoken.sampled, model)


def whole(answer: Answer, request: ChatRequest) -> bytes:
    """The answer as one JSON object."""
    choice = {
        "index": 0,
        "message": {**answer.message, "refusal": None},
        "logprobs": _logprobs(answer, request),
        "finish_reason": answer.finish,
    }
    made = _envelope("chat.completion", answer.model)
    return _json(made | {"choices": [choice], "usage": answer.usage}).encode()


def stream(answer: Answer, request: ChatRequest) -> bytes:
    """The answer as events: the message, its end, the usage where it was asked for."""
    events = "".join(f"data: {_json(event)}\n\n" for event in _events(answer, request))
    return f"{events}data: [DONE]\n\n".encode()


def _events(answer: Answer, request: ChatRequest) -> Iterator[Mapping[str, Any]]:
    envelope = _envelope("chat.completion.chunk", answer.model)
    if request.usage:
        envelope["usage"] = None
    delta = dict(answer.message)
    if "tool_calls" in delta:
        delta["tool_calls"] = [{"index": n} | call for n, call in enumerate(delta["tool_calls"])]
    choice = {"index": 0, "delta": delta, "logprobs": _logprobs(answer, request)}
    yield envelope | {"choices": [choice | {"finish_reason": None}]}
    end = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": answer.finish}
    yield envelope | {"choices": [end]}
    if request.usage:
        yield envelope | {"choices": [], "usage": answer.usage}


def refused(refusal: Refusal) -> bytes:
    """A refusal as the protocol's error."""
    error = {
        "message": refusal.message,
        "type": "invalid_request_error",
        "param": refusal.param or None,
        "code": refusal.code or None,
    }
    return _json({"error": error}).encode()


def models(model: str) -> dict[str, Any]:
    """The list of models; there is one."""
    return {"object": "list", "data": [model_card(model)]}


def model_card(model: str) -> dict[str, Any]:
    """A model, as the list has it."""
    return {"id": model, "object": "model", "created": 0, "owned_by": "cohort"}


def _logprobs(answer: Answer, request: ChatRequest) -> dict[str, Any] | None:
    if not request.logprobs or answer.sampled is None:
        return None
    content = [
        {"token": piece, "logprob": logprob, "bytes": _bytes(piece), "top_logprobs": []}
        for piece, logprob in answer.sampled.pieces()
    ]
    return {"content": content, "refusal": None}


def _bytes(piece: str) -> list[int] | None:
    """Of a token's text; None where the token is a part of a character."""
    return None if "\ufffd" in piece else list(piece.encode())


def _envelope(kind: str, model: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{secrets.token_hex(8)}", "object": kind, "created": 0, "model": model}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True)
