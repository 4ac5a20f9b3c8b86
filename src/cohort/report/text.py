"""A model's text made fit to be shown: nothing in it can move a cursor, hide, or break a file.

For the terminal and the page alike. It refuses to lose anything: what cannot be shown as it is gets
a visible sign in its place.
"""

from __future__ import annotations

import json
import re

UNSHOWABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters but tab and newline, separators, direction overrides, lone surrogates."""


def showable(text: str) -> str:
    """The text with a sign in place of each character that is a command rather than a letter.

    Control characters get Unicode's pictures of them (U+241B for escape), others their number, as
    in <U+202E>. Newlines and tabs stay; a carriage return before a newline goes.
    """
    return UNSHOWABLE.sub(_sign, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """The showable text on one line: a newline becomes the return sign, a tab a space."""
    return showable(text).replace("\n", "⏎").replace("\t", " ")


def prompt_text(stored: str) -> str:
    """A prompt as the store keeps it, for reading: chat messages are JSON and become a dialogue."""
    if not stored.startswith("["):
        return stored
    try:
        messages = json.loads(stored)
    except ValueError:
        return stored
    if not all(isinstance(message, dict) and "content" in message for message in messages):
        return stored
    return "\n".join(f"{m.get('role', '?')}: {m['content']}" for m in messages)


def duration(seconds: float) -> str:
    """Seconds as people say them: 8.4 s, 3:07, 2:15:00."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def percent(share: object) -> str:
    """A share as a percentage with one decimal; a dash where nobody could say."""
    return f"{100 * share:.1f} %" if isinstance(share, (int, float)) else "-"


def number(value: object) -> str:
    """A number with four significant figures at most; a dash where nobody could say."""
    return f"{value:.4g}" if isinstance(value, (int, float)) else "-"


def interval(ends: object, *, scale: float = 1.0) -> str:
    """The two ends of an interval in brackets; nothing where there is none."""
    if not isinstance(ends, (list, tuple)) or len(ends) != 2:
        return ""
    digits = 1 if scale == 100 else 3
    low, high = (f"{scale * end:.{digits}f}" for end in ends)
    return f"[{low}, {high}]"


def _sign(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"<U+{code:04X}>"
