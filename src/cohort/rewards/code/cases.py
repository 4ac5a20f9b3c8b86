"""The kinds of tests: a question and what is expected, which never enter the same process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

Node = list[Any]


class Unreadable(Exception):
    """What is wrong with the tests of a problem."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What an answer is held to: a node, or (where `truth` is given) only whether it is true.

    node: None where the reference has still to be asked.
    """

    node: Node | None = None
    truth: bool | None = None
    exact: bool = True
    tolerance: float = 0.0

    def known(self, node: Node) -> Expected:
        """The same, with the answer of the reference."""
        return replace(self, node=node)


@dataclass(frozen=True, slots=True)
class Call:
    """A call with plain data."""

    name: str
    arguments: Node
    keywords: Node
    expected: Expected

    @property
    def question(self) -> list[Any]:
        """What is put to the candidate's process."""
        return ["call", self.name, self.arguments, self.keywords]


@dataclass(frozen=True, slots=True)
class Expression:
    """A call whose arguments are no literals; they are made in the candidate's process."""

    source: str
    expected: Expected

    @property
    def question(self) -> list[Any]:
        """What is put to the candidate's process."""
        return ["evaluate", self.source]


@dataclass(frozen=True, slots=True)
class Check:
    """Code that checks, run in the judge's own sandbox.

    call: the function of it that is given the candidate's, if it is not run by itself. stand_ins: what
    the functions of the candidate are called in it, and in the candidate. modules: what it uses
    without importing it.
    """

    source: str
    call: str
    stand_ins: tuple[tuple[str, str], ...]
    modules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a whole program reads, and what it must print."""

    input: str
    output: str
    tolerance: float = 0.0


Case = Call | Expression | Check | Spoken
