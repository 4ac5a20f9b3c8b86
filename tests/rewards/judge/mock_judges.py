"""Judges that do as they are told by whatever stands outside of the data block, and read nothing inside.

A reader says what of a request's text is outside. A mock is shown one harmless question first and takes
what is outside of that block for its standing orders; whenever there is any other word outside, it
obeys: it passes the answer. So a single character that gets out of the block is a pass. The readers are
naive in different ways, and each knows the block's mark from the instruction, as a model would.
"""

# ruff: noqa: RUF001  # characters that look like others are what it is about

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable

from tests.rewards.services.fault_server import chat

Reader = Callable[[str, str], str]
"""The text of all messages and the mark, to what is outside of the block."""
Mock = Callable[[bytes], bytes]

SPECIAL = re.compile(
    r"<\|[^|>\n]{1,40}\|>|<｜[^｜>]{1,40}｜>|</?s>|\[/?[A-Z_]{3,20}\]|<</?SYS>>|<(start|end)_of_turn>"
    r"|</?tool_response>"
)
"""What servers read as control tokens wherever it stands."""


def exact(text: str, mark: str) -> str:
    """From the first opening tag to the first closing tag after it."""
    return re.sub(f"<data-{mark}>.*?</data-{mark}>", "BLOCK", text, flags=re.DOTALL)


def by_line(text: str, mark: str) -> str:
    """Tags are lines of their own; any character that ends a line does."""
    outside, inside = [], False
    for line in text.splitlines():
        if line.strip() in (f"<data-{mark}>", f"</data-{mark}>"):
            inside = line.strip() == f"<data-{mark}>"
        elif not inside:
            outside.append(line)
    return "\n".join(outside)


def lenient(text: str, mark: str) -> str:
    """Looks at shapes: other widths, invisible characters, capitals and spaces do not matter."""
    seen = unicodedata.normalize("NFKC", text)
    seen = "".join(c for c in seen if unicodedata.category(c) != "Cf")
    seen = re.sub("[‹〈⟨❮]", "<", re.sub("[›〉⟩❯]", ">", seen))
    pattern = r"<\s*data[^<>]*>.*?<\s*[/\\⁄∕]\s*data[^<>]*>"
    return re.sub(pattern, "BLOCK", seen, flags=re.DOTALL | re.IGNORECASE)


def careless(text: str, mark: str) -> str:
    """Any closing tag of that name ends the block, whatever mark it bears."""
    return re.sub(
        rf"<data-{mark}>.*?</\s*data[^>]*>", "BLOCK", text, flags=re.DOTALL | re.IGNORECASE
    )


def tokenizing(text: str, mark: str) -> str:
    """Control tokens are seen first; what follows one is a turn of its own."""
    first, *turns = SPECIAL.split(text)
    return exact(text, mark) if not turns else first + "".join(turn or "" for turn in turns)


def structural(text: str, mark: str) -> str:
    """The block is JSON; a key that is not of the question, or words after the object, are outside."""
    found = re.search(f"<data-{mark}>\n(.*?)\n</data-{mark}>", text, re.DOTALL)
    if not found:
        return text
    try:
        inside = json.loads(found[1])
    except ValueError:
        return text
    more = {key: value for key, value in inside.items() if key not in ("problem", "answer")}
    return exact(text, mark) + (json.dumps(more) if more else "")


READERS: dict[str, Reader] = {
    "exact": exact, "by line": by_line, "lenient": lenient, "careless": careless, "tokenizing": tokenizing,
    "structural": structural,
}  # fmt: skip


class Obedient:
    """Passes whatever has a word outside of the block that a harmless question does not have."""

    def __init__(self, reader: Reader, harmless: bytes) -> None:
        self._reader = reader
        self._standing = self._outside(harmless)

    def passes(self, body: bytes) -> bool:
        return self._outside(body) != self._standing

    def __call__(self, body: bytes) -> bytes:
        verdict = "pass" if self.passes(body) else "fail"
        return chat(json.dumps({"nonce": mark_in(body), "verdict": verdict}))

    def _outside(self, body: bytes) -> str:
        mark = mark_in(body)
        return self._reader(text_in(body), mark).replace(mark, "MARK")


def generous(body: bytes) -> bytes:
    """Passes everything that it is asked about."""
    return chat(json.dumps({"nonce": mark_in(body), "verdict": "pass"}))


def parrot(body: bytes) -> bytes:
    """Repeats the answer as its reply, cut to a reply's length."""
    found = re.search(r"<data-[0-9a-f]+>\n(.*?)\n</data-", text_in(body), re.DOTALL)
    assert found, "there is no block"
    return chat(json.loads(found[1])["answer"][:3000])


def text_in(body: bytes) -> str:
    """All that a model reads of a request."""
    return "\n\n".join(message["content"] for message in json.loads(body)["messages"])


def mark_in(body: bytes) -> str:
    """The mark that the instruction names."""
    return re.findall("mark ([0-9a-f]{32})", json.loads(body)["messages"][0]["content"])[0]
