"""What a tool returned, as text that a policy may read.

A result is text, or becomes JSON. It is cut at a limit, what cannot be shown is replaced, and what
looks like the control text of a chat template gets a space after its bracket, so that no tool's
result can end its own turn or speak as somebody else.
"""

from __future__ import annotations

import json
import re
import unicodedata

from cohort.errors import legible

TAGS = (
    "s|bos|eos|pad|unk|start_of_turn|end_of_turn|tool_call|tool_response|tools|tool_result|tool_results"
    "|think|system|user|assistant"
)
WORDS = "INST|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|AVAILABLE_TOOLS|SYSTEM_PROMPT|THINK|ARGS|CALL_ID"
CONTROL = re.compile(
    rf"<(?=[|\uff5c][^\s<>]{{1,60}}[|\uff5c]>|/?(?:{TAGS})>|<(?:/?)SYS>)|\[(?=/?(?:{WORDS})\])"
)
"""An opening bracket of what chat templates and tokenizers take for their own."""

DROPPED = {"Cc", "Cs"}
"""Categories of characters that are no text: control characters and halves of characters."""


class Untellable(ValueError):
    """A result that is neither text nor JSON."""


def told(result: object, most: int) -> str:
    """A tool's result as text of at most about `most` characters. Raises Untellable."""
    return safe(_text(result, most), most)


def safe(text: str, most: int) -> str:
    """A text cut, cleaned and without anybody's control text."""
    cut = "".join(map(_shown, text[:most].replace("\r\n", "\n")))
    if len(text) > most:
        cut += f"... (cut after {most:,} characters)"
    return CONTROL.sub(lambda found: found[0] + " ", cut)


def failure(error: BaseException) -> str:
    """What a policy is told of an exception: its type and its text."""
    try:
        said = str(error)[:2000]
    except Exception:  # noqa: BLE001 - how an exception shows itself is code of the user too
        said = ""
    kind = type(error).__name__
    return " ".join(f"{kind}: {said}".split())[:500] if said else kind


def _text(result: object, most: int) -> str:
    if isinstance(result, str):
        return result
    if isinstance(result, (bytes, bytearray, memoryview)):
        return _decoded(bytes(result))
    parts: list[str] = []
    length = 0
    try:
        for part in json.JSONEncoder(ensure_ascii=False).iterencode(result):
            parts.append(part)
            length += len(part)
            if length > most:
                break
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise Untellable(
            f"returned {legible(type(result).__name__)}, which is neither text nor JSON"
        ) from error
    return "".join(parts)


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return f"({len(data):,} bytes that are no text)"


def _shown(character: str) -> str:
    if character in "\n\t" or character.isprintable():
        return character
    return "\ufffd" if unicodedata.category(character) in DROPPED else character
