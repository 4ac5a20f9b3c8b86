"""Every attempt to connect, as the interpreter reports it, and none of them leaves the machine.

An audit hook can never be taken away again, so there is one, which does nothing unless it is asked to.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_noted: list[tuple[str, int]] | None = None
_hooked = False


@contextmanager
def watched() -> Iterator[list[tuple[str, int]]]:
    """The addresses that are connected to while it lasts; all but 127.0.0.1 are kept from it."""
    global _noted, _hooked
    if not _hooked:
        sys.addaudithook(_note)
        _hooked = True
    _noted = noted = []
    try:
        yield noted
    finally:
        _noted = None


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if _noted is None or event != "socket.connect" or not isinstance(arguments[1], tuple):
        return
    host, port = arguments[1][:2]
    _noted.append((host, port))
    if host != "127.0.0.1":
        raise OSError(101, "kept from the network")
