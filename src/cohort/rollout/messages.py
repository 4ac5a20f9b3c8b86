"""A turn and the results of its calls as chat messages, as chat templates know them.

A template is shown calls as data (`tool_calls`), so that it writes them in its own form, and each result
with the id of its call, which some templates ask for. The tokens of a turn are never made from this:
it is what a template needs to know in order to render what comes after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cohort.data.records import Message
from cohort.rollout.environments import Spoken


def call_id(turn: int, call: int) -> str:
    """The id of a call: nine digits, which is what the strictest template asks for."""
    return f"{turn % 10000:04d}{call % 100000:05d}"


def said(spoken: Spoken) -> dict[str, Any]:
    """A turn of the policy as a message of the assistant, its calls as data."""
    message: dict[str, Any] = {"role": "assistant", "content": spoken.content}
    if spoken.calls:
        message["tool_calls"] = [
            {
                "id": call_id(spoken.number, place),
                "type": "function",
                "function": {"name": call.name, "arguments": dict(call.arguments)},
            }
            for place, call in enumerate(spoken.calls)
        ]
    return message


def results(turn: int, told: Sequence[tuple[str, str]]) -> tuple[Message, ...]:
    """What calls came to, (name, text) each in order, as messages of tools."""
    return tuple(
        {"role": "tool", "name": name, "tool_call_id": call_id(turn, place), "content": text}
        for place, (name, text) in enumerate(told)
    )


def with_text(messages: Sequence[Message], text: str) -> tuple[Mapping[str, str], ...]:
    """Messages with a text at the end of what the last user said, or as a user's where none spoke."""
    made = [dict(message) for message in messages]
    for message in reversed(made):
        if message.get("role") == "user":
            message["content"] += text
            return tuple(made)
    return (*made, {"role": "user", "content": text})
