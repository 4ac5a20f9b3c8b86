"""What of a judge's reply counts: one JSON object with the prompt's nonce and a verdict, nothing else.

There is no second reading: a reply with words around the object, a key too many, a key twice or a
number out of range is a failure of the judge and not a verdict. A reply has no field for reasons, so
that nothing of the prompt, the reference answer among it, comes back in words.
"""

from __future__ import annotations

import json
from typing import Any

from cohort.rewards.outcome import Failed
from cohort.rewards.services.client import NoAnswer

LONGEST_REPLY = 4000
PASS, FAIL = "pass", "fail"


def schema(nonce: str, points: int) -> dict[str, Any]:
    """The reply as JSON schema, for services that hold a model to one."""
    verdict: dict[str, Any] = {"type": "string", "enum": [PASS, FAIL]}
    if points:
        verdict = {"type": "integer", "minimum": 0, "maximum": points}
    return {
        "type": "object",
        "properties": {"nonce": {"type": "string", "enum": [nonce]}, field_of(points): verdict},
        "required": ["nonce", field_of(points)],
        "additionalProperties": False,
    }


def field_of(points: int) -> str:
    """The key that the verdict stands under."""
    return "points" if points else "verdict"


def reply_in(text: str) -> str:
    """The words of a chat completion. Raises NoAnswer for a text that is none, or was cut."""
    try:
        content = json.loads(text)
        (choice,) = content["choices"]
        reply, why = choice["message"]["content"], choice.get("finish_reason")
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        reason = "the judge's answer is no chat completion with one choice"
        raise NoAnswer(reason, kind="invalid", retryable=True) from None
    if why not in ("stop", None) or not isinstance(reply, str):
        reason = (
            "the judge's reply was cut" if why == "length" else "the judge did not reply in words"
        )
        raise NoAnswer(reason, kind="invalid", retryable=False)
    if len(reply) > LONGEST_REPLY or not _is_text(reply):
        reason = f"the judge's reply is no text of at most {LONGEST_REPLY:,} characters"
        raise NoAnswer(reason, kind="invalid", retryable=False)
    return reply


def verdict_in(reply: str, nonce: str, points: int) -> float | Failed:
    """The reward that a reply stands for, in [0, 1]."""
    try:
        said = json.loads(reply, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return Failed("invalid", "the judge's reply is not one JSON object")
    if not isinstance(said, dict) or set(said) != {"nonce", field_of(points)}:
        return Failed(
            "invalid", f'the judge\'s reply is no object of "nonce" and "{field_of(points)}"'
        )
    if said["nonce"] != nonce:
        return Failed("invalid", "the judge's reply does not bear the prompt's nonce")
    verdict = said[field_of(points)]
    if not points and verdict in (PASS, FAIL):
        return float(verdict == PASS)
    if points and type(verdict) is int and 0 <= verdict <= points:
        return verdict / points
    return Failed("invalid", f'the judge\'s "{field_of(points)}" is out of range')


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key stands twice")
    return made


def _is_text(reply: str) -> bool:
    try:
        reply.encode()
    except UnicodeEncodeError:  # half a character, as only an escape can write it
        return False
    return "\x00" not in reply
