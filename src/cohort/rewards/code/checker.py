"""What runs in the judge's own sandbox: a check that is code, with stand-ins for the candidate's functions.

There is no line of the candidate here. A call of a stand-in is told to the judge, which puts it to the
candidate's process and returns plain data; so `==` here is that of Python's own types, and the values
that the check expects never leave this process.
"""

from __future__ import annotations

import builtins
import json
import os
import random
import types

TYPE_CHECKING = False
if TYPE_CHECKING:  # without the import, which would cost every process some milliseconds
    from typing import Any

FOLDER = os.path.dirname(os.path.abspath(__file__))


class OfTheCandidateError(Exception):
    """The candidate raised something that is not one of Python's own exceptions."""


class Judge:
    """The two pipes to it."""

    def __init__(self) -> None:
        self.wire = types.ModuleType("wire")
        with open(os.path.join(FOLDER, "wire.py"), "rb") as file:
            exec(compile(file.read(), "wire.py", "exec", dont_inherit=True), self.wire.__dict__)
        self.hears, self.says = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nowhere, number)

    def say(self, *message: object) -> None:
        """Tell the judge something."""
        self.says.write(self.wire.line_of(message))
        self.says.flush()

    def heard(self) -> Any:
        """What it says next."""
        return json.loads(self.hears.readline())

    def stand_in(self, name: str) -> Any:
        """A function that asks the candidate's of this name."""

        def asks(*arguments: Any, **keywords: Any) -> Any:
            encode = self.wire.encode
            self.say("call", name, encode(list(arguments)), encode(keywords))
            kind, told = self.heard()
            if kind == "value":
                return self.wire.decode(told)
            own: Any = getattr(builtins, told, None)
            fits = isinstance(own, type) and issubclass(own, Exception)
            raise (own if fits and own is not AssertionError else OfTheCandidateError)(told)

        return asks


def check(judge: Judge, asked: Any) -> None:
    """Run the check; raises what it raises. `call` is the function that is given the stand-in."""
    space: dict[str, Any] = {"__name__": "check"}
    run(asked["before"], space)
    for name in asked["modules"]:
        space[name] = __import__(name)
    for name, own in asked["stand_ins"].items():
        space[name] = judge.stand_in(own)
    random.seed(asked["seed"])
    run(asked["source"], space)
    if asked["call"]:
        space[asked["call"]](judge.stand_in(asked["entry_point"]))


def run(source: str, space: dict[str, Any]) -> None:
    """Run a source; `dont_inherit`: this file's own `__future__` is not its."""
    exec(compile(source, "check", "exec", dont_inherit=True), space)


def main() -> None:
    """One check, one verdict."""
    judge = Judge()
    try:
        check(judge, judge.heard())
    except BaseException as error:  # noqa: BLE001 - a check that does not end well has failed
        judge.say("failed", type(error).__name__)
    else:
        judge.say("passed")


if __name__ == "__main__":
    main()
