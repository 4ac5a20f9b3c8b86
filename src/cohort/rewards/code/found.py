"""Where the program is in a completion.

Only what follows the thinking counts. The last whole block fenced as ```python (or py, python3; for Rust
```rust or rs) is the program; where no block names the language, the last fenced block without a name;
where there is no fence at all, the whole text if it parses (for Python; a Rust program has to be
fenced). A block whose fence never closes was cut off and is no program.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from cohort.rewards.reading import CLOSE_THINK, OPEN_THINK

PYTHON, RUST = ("python", "py", "python3"), ("rust", "rs")
_OPENING = re.compile(r" {0,3}(`{3,}) *([^\s`]*)[^`]*")
_CLOSING = re.compile(r" {0,3}(`{3,})[ \t]*")


def python_in(text: str) -> str | None:
    """The Python program of a completion, or None."""
    after = _after_thinking(text)
    fenced = _fenced(after, PYTHON)
    if fenced is not None or "```" in after:
        return fenced
    return after if after.strip() and parses(after) else None


def rust_in(text: str) -> str | None:
    """The Rust program of a completion, or None."""
    return _fenced(_after_thinking(text), RUST)


def parses(source: str) -> bool:
    """Whether this is Python."""
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _after_thinking(text: str) -> str:
    after = text.rpartition(CLOSE_THINK)[2]
    return "" if OPEN_THINK in after else after


def _fenced(text: str, languages: tuple[str, ...]) -> str | None:
    blocks = list(_blocks(text))
    named = [inside for name, inside in blocks if name in languages]
    unnamed = [inside for name, inside in blocks if not name]
    return next(reversed(named or unnamed), None)


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Language and inside of every whole block, line by line: no text takes long."""
    fence, language = "", ""
    inside: list[str] = []
    for line in text.split("\n"):
        if not fence:
            opening = _OPENING.fullmatch(line)
            if opening is not None:
                fence, language, inside = opening[1], opening[2].lower(), []
            continue
        closing = _CLOSING.fullmatch(line)
        if closing is not None and len(closing[1]) >= len(fence):
            yield language, "".join(f"{own}\n" for own in inside)
            fence = ""
        else:
            inside.append(line)
