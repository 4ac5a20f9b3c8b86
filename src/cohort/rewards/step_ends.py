"""Where the steps of an answer end, by separators: in characters, as rewards of steps count them."""

from __future__ import annotations

import re
from collections.abc import Sequence


def step_ends(text: str, separators: Sequence[str]) -> list[int]:
    """The ends of the steps: where a separator begins, and the end of the text.

    Of separators that begin at the same place the longest counts. What is empty, or whitespace alone,
    is no step.
    """
    pattern = "|".join(re.escape(one) for one in sorted(separators, key=len, reverse=True))
    ends, begin = [], 0
    for found in re.finditer(pattern, text):
        if text[begin : found.start()].strip():
            ends.append(found.start())
        begin = found.end()
    if text[begin:].strip():
        ends.append(len(text))
    return ends
