"""The candidate's process as the judge sees it: one question at a time, and what is said is hostile.

Every question carries a number that cannot be guessed, and an answer has to repeat it. A line that does
not, because it was there before the question or came twice, is tampering, as is everything that the
driver would not write; after that nothing the candidate does counts. Time is kept here.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from cohort.rewards.code.exchange import exchanged
from cohort.rewards.code.nodes import MalformedError, checked, parsed
from cohort.rewards.code.wire import line_of
from cohort.rewards.sandbox.program import Limits, Program
from cohort.rewards.sandbox.sandbox import Sandbox

KINDS = ("value", "raised", "done", "missing")


class TamperedError(Exception):
    """The candidate's process said what only a candidate that plays the driver would say."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said to a question. `kind` is one of KINDS, or "silent": nothing in time, or no process."""

    kind: str
    told: Any = None


class Candidate:
    """One process of a candidate, from its start until `close`."""

    def __init__(self, sandbox: Sandbox, source: str, limits: Limits, *, before: str = "") -> None:
        sources = {"before.py": before, "candidate.py": source}
        encoded = {name: text.encode("utf-8", "surrogatepass") for name, text in sources.items()}
        files = {**_driver(), **encoded}
        self.session = sandbox.start(Program(files=files, limits=limits))

    def __enter__(self) -> Candidate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process and all that it started."""
        self.session.close()

    def ask(self, question: Sequence[Any], seconds: float) -> Answer:
        """Put a question and wait for its answer. Raises TamperedError."""
        number = secrets.token_hex(16)
        line = exchanged(self.session, line_of([number, *question]), seconds)
        if line is None:
            return Answer("silent")
        try:
            told, kind, *rest = parsed(line)
            if told != number or kind not in KINDS or len(rest) != (kind != "done"):
                raise MalformedError("an answer to no question")
            if kind == "value":
                return Answer(kind, checked(rest[0]))
            if rest and not isinstance(rest[0], str):
                raise MalformedError("no name")
        except (MalformedError, ValueError) as error:
            raise TamperedError(str(error)) from error
        return Answer(kind, rest[0] if rest else None)


@cache
def _driver() -> dict[str, bytes]:
    here = Path(__file__).parent
    return {
        "main.py": (here / "driver.py").read_bytes(),
        "wire.py": (here / "wire.py").read_bytes(),
    }
