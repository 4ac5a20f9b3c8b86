"""What a worker does: import one module, and call its functions as it is told, until it is ended.

Every message is a request and has one answer. While a function runs, it may ask its journal: then the
trainer answers. Everything that is sent from here is JSON, and is checked where it arrives.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import threading
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

from cohort.data.imported import import_function
from cohort.errors import CohortError, RewardError
from cohort.rewards.isolation.calling import Function, called, called_at_once, raised
from cohort.rewards.isolation.frames import Inbox, packed

RECEIVED_BYTES = 1 << 16


class Gone(Exception):
    """The trainer has closed the connection."""


class Connection:
    """The trainer, as a worker sees it."""

    def __init__(self, connected: socket.socket) -> None:
        self._connected, self._inbox = connected, Inbox(carried=True)
        self._process, self._turn = os.getpid(), threading.Lock()

    def receive(self) -> dict[str, Any]:
        """The next message; waits for it."""
        while (message := self._inbox.next()) is None:
            data = self._connected.recv(RECEIVED_BYTES)
            if not data:
                raise Gone
            self._inbox.add(data)
        return message

    def send(self, message: object) -> None:
        """Send an answer. A child that a function forked and that came out of it ends here."""
        if os.getpid() != self._process:
            os._exit(0)
        self._connected.sendall(packed(message))

    # What follows is a journal; see `asked.Journal`.

    def recall(self, key: str) -> str | None:
        """The answer that was kept under this key."""
        with self._turn:
            self.send({"recall": str(key)})
            answer: str | None = self.receive()["answer"]
            return answer

    def keep(self, key: str, answer: str) -> None:
        """Keep an answer; returns when it is on the disk."""
        with self._turn:
            self.send({"keep": [str(key), str(answer)]})
            self.receive()


def serve(connected: socket.socket) -> None:
    """Import what the first message names, then answer requests until there are no more."""
    connection = Connection(connected)
    try:
        first = connection.receive()
        try:
            functions = _Functions(Path(first["file"]), first["module"], first["functions"])
        except CohortError as error:
            connection.send({"refused": error.message})
            return
        except BaseException as error:  # noqa: BLE001 - it is code of the user
            connection.send({"refused": f"{type(error).__name__}: {error}"[:400]})
            return
        connection.send({"ready": True})
        while True:
            connection.send(functions.answer(connection.receive(), connection))
    except (Gone, OSError):
        return


class _Functions:
    """The functions of one module, by name."""

    def __init__(self, file: Path, module: str, names: list[str]) -> None:
        self._file, self._module = file, module
        self._found = {name: self._find(name) for name in names}

    def answer(self, request: Mapping[str, Any], connection: Connection) -> dict[str, Any]:
        """What came of a request."""
        name = str(request["function"])
        if name not in self._found:
            self._found[name] = self._find(name)
        function = self._found[name]
        try:
            if "calls" in request:
                return {"said": _called(function, request, connection)}
            if "remember" in request:
                function.load_state_dict(request["remember"])  # type: ignore[attr-defined]
                return {"done": True}
            state = function.state_dict()  # type: ignore[attr-defined]
            return {"state": json.loads(json.dumps(state, allow_nan=False))}
        except BaseException as error:  # noqa: BLE001 - it is code of the user
            return dict(raised(function, error))

    def _find(self, name: str) -> Function:
        if self._module:
            module: Any = importlib.import_module(self._module)
            found: Function = reduce(getattr, name.split("."), module)
            return found
        return import_function(f"{self._file.name}:{name}", self._file.parent, RewardError)[1]


def _called(function: Function, request: Mapping[str, Any], connection: Connection) -> list[Any]:
    calls = request["calls"]
    if request["journal"]:
        calls = [{**keywords, "journal": connection} for keywords in calls]
    if request["at_once"]:
        return called_at_once(function, calls, request["at_once"])
    return [called(function, keywords) for keywords in calls]
