"""What runs in the candidate's process beside the candidate: it reads a question, and tells the answer.

Nothing that it says is believed: the candidate shares its process and can say the same. It holds no
expected value and no later question. The pipe of the answers is not the candidate's stdout, so that a
program that prints is no liar; a program that looks for the pipe and writes to it is heard, as an
answer to a question that it has not seen.
"""

from __future__ import annotations

import json
import os
import sys
import types

TYPE_CHECKING = False
if TYPE_CHECKING:  # without the import, which would cost every process some milliseconds
    from typing import Any

FOLDER = os.path.dirname(os.path.abspath(__file__))


def wire() -> types.ModuleType:
    """The file of the same name, which lies beside this one and on no path of imports."""
    return module("wire", os.path.join(FOLDER, "wire.py"))


def module(name: str, path: str) -> types.ModuleType:
    """A file run as a module that can be found under its name."""
    made = types.ModuleType(name)
    made.__file__ = path
    sys.modules[name] = made
    with open(path, "rb") as file:
        run(file.read(), os.path.basename(path), made)
    return made


def run(source: bytes | str, name: str, within: types.ModuleType) -> None:
    """Run a source in a module; `dont_inherit`: this file's own `__future__` is not its."""
    exec(compile(source, name, "exec", dont_inherit=True), within.__dict__)


def private_pipes() -> tuple[Any, Any]:
    """The streams of questions and answers; what others know as 0, 1 and 2 leads nowhere."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    return questions, answers


def function(name: str) -> Any:
    """What a name stands for in the candidate; `Solution.solve` is a method of a fresh instance."""
    found: Any = sys.modules["candidate"]
    for part in name.split("."):
        found = found() if isinstance(found, type) else found
        found = getattr(found, part)
    return found


def answer(wired: Any, kind: str, *given: Any) -> list[Any]:
    """What is said to one question."""
    try:
        if kind == "load":
            module("candidate", os.path.join(FOLDER, "before.py"))
            with open(os.path.join(FOLDER, "candidate.py"), "rb") as file:
                run(file.read(), "candidate.py", sys.modules["candidate"])
            missing = [name for name in given if not hasattr(sys.modules["candidate"], name)]
            return ["missing", missing[0]] if missing else ["done"]
        if kind == "setup":
            run(given[0], "setup", sys.modules["candidate"])
            return ["done"]
        if kind == "evaluate":
            asked = compile(given[0], "question", "eval", dont_inherit=True)
            return ["value", wired.encode(eval(asked, sys.modules["candidate"].__dict__))]
        name, arguments, keywords = given
        called = function(name)
        return ["value", wired.encode(called(*wired.decode(arguments), **wired.decode(keywords)))]
    except BaseException as error:  # noqa: BLE001 - the candidate's: even an exit is only an answer
        return ["raised", type(error).__name__]


def serve() -> None:
    """Answer until there are no questions."""
    wired = wire()
    questions, answers = private_pipes()
    for line in questions:
        number, *question = json.loads(line)
        said = [number, *answer(wired, *question)]
        answers.write(wired.line_of(said))
        answers.flush()


if __name__ == "__main__":
    serve()
