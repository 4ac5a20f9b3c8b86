"""A domain: tables, tools that read and change them, and assignments whose golden calls prove them solvable.

After ToolScale (ToolOrchestra, arXiv:2511.21689, section 3.2), whose domains a language model writes. An
assignment is sound if its golden calls go through and doing nothing does not solve it. An attempt has
succeeded if the database is as the golden calls leave it, every golden call was made, and what is to be
told was told. Databases are compared as plain data; the order of entries in tables and lists means nothing.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cohort.data import keyed
from cohort.data.records import Message
from cohort.rollout.environments import Call, Tool

RESPECTS = ("database", "complete", "told")
"""The database is as it should be; every golden call was made; what is to be said was said."""

Database = dict[str, Any]
"""Tables by name; a table holds entries by key. Plain JSON."""


class Refusal(Exception):
    """What a tool says where it will not do as it is told; the caller is told, and nothing has changed."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A function over a database that an agent may call; `act` changes the database it is given.

    parameters: the JSON schema of its arguments. writes: whether it may change anything.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    act: Callable[..., object]
    writes: bool = True

    def on(self, database: Database) -> Tool:
        """The tool that works on this database."""
        return Tool(
            self.name,
            self.description,
            self.parameters,
            lambda **arguments: self.act(database, **arguments),
        )


def operation(
    act: Callable[..., object], description: str, /, *, writes: bool = True, **arguments: str
) -> Operation:
    """An operation called as its function, whose arguments are texts; of each, what it means.

    An argument whose meaning ends with `(optional)` may be left out.
    """
    needed = [name for name, meaning in arguments.items() if not meaning.endswith("(optional)")]
    schema = {
        "type": "object",
        "properties": {
            name: {"type": "string", "description": meaning} for name, meaning in arguments.items()
        },
        "required": needed,
    }
    return Operation(act.__name__, description, schema, act, writes)


@dataclass(frozen=True, slots=True)
class Domain:
    """Operations under a policy, which is told to whoever acts."""

    name: str
    policy: str
    operations: tuple[Operation, ...]

    def operation(self, name: str) -> Operation | None:
        """The operation of this name."""
        return next((own for own in self.operations if own.name == name), None)


@dataclass(frozen=True, slots=True)
class Assignment:
    """What is asked of an agent: a request, the database it begins with, and how it is done.

    golden: the calls that do it. told: what has to be said to whoever asks. judged: in what an attempt has
    to be right, some of RESPECTS. uncompared: of golden calls by name, the arguments that need not be the
    same, such as free text. earlier: messages that the request comes after.
    """

    id: str
    request: str
    database: Mapping[str, Any]
    golden: tuple[Call, ...]
    told: tuple[str, ...] = ()
    judged: tuple[str, ...] = RESPECTS
    uncompared: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    earlier: tuple[Message, ...] = ()


def same_data(one: object, other: object) -> bool:
    """Whether two databases, or parts of them, hold the same, in whatever order."""
    return canonical(one) == canonical(other)


def canonical(data: object) -> str:
    """JSON that is equal for equal data: keys sorted, and lists sorted by what they hold."""
    return json.dumps(_sorted(data), sort_keys=True)


def _sorted(data: object) -> object:
    if isinstance(data, Mapping):
        return {str(key): _sorted(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return sorted(
            (_sorted(value) for value in data), key=lambda v: json.dumps(v, sort_keys=True)
        )
    return float(data) if isinstance(data, int) and not isinstance(data, bool) else data


def state_hash(database: object) -> str:
    """A short name of what a database holds."""
    return f"{keyed.digest(canonical(database)):032x}"


def done(domain: Domain, call: Call, database: Database) -> object:
    """What a call returns. Raises Refusal, and leaves the database as it was where it does."""
    operation = domain.operation(call.name)
    if operation is None:
        raise Refusal(f"there is no tool {call.name}; there are {_names(domain)}")
    _check_arguments(operation, call.arguments)
    before = copy.deepcopy(database)
    try:
        return operation.act(database, **call.arguments)
    except Refusal:
        database.clear()
        database.update(before)
        raise


def _names(domain: Domain) -> str:
    return ", ".join(own.name for own in domain.operations)


def _check_arguments(operation: Operation, arguments: Mapping[str, object]) -> None:
    """Every argument is one it has, and a text, and none that it needs is missing."""
    known, needed = operation.parameters["properties"], operation.parameters["required"]
    for name, value in arguments.items():
        if name not in known:
            raise Refusal(f"{operation.name} has no argument {name}; it has {', '.join(known)}")
        if not isinstance(value, str):
            raise Refusal(f"{operation.name}: {name} has to be a text")
    for name in needed:
        if name not in arguments:
            raise Refusal(f"{operation.name} needs the argument {name}")


def replay(domain: Domain, assignment: Assignment) -> Database:
    """The database as the golden calls leave it. Raises Refusal for one that does not go through."""
    database: Database = copy.deepcopy(dict(assignment.database))
    for call in assignment.golden:
        done(domain, call, database)
    return database


def succeeded(
    domain: Domain,
    assignment: Assignment,
    *,
    database: Mapping[str, Any],
    calls: Sequence[Call],
    said: str,
) -> dict[str, bool]:
    """Whether an attempt is right in each respect, and in all that are judged: `outcome`.

    calls: those that went through. said: all that was said outside of calls.
    """
    held = {
        "database": same_data(database, replay(domain, assignment)),
        "complete": _made(assignment, calls),
        "told": all(word.casefold() in said.casefold() for word in assignment.told),
    }
    return held | {"outcome": all(held[respect] for respect in assignment.judged)}


def _made(assignment: Assignment, calls: Sequence[Call]) -> bool:
    """Whether each golden call was made, in any order, and as often as it is golden."""
    left = [_compared(assignment, call) for call in calls]
    for golden in (_compared(assignment, call) for call in assignment.golden):
        if golden not in left:
            return False
        left.remove(golden)
    return True


def _compared(assignment: Assignment, call: Call) -> str:
    """A call without the arguments that need not be the same."""
    free = assignment.uncompared.get(call.name, ())
    return canonical([{call.name: {k: v for k, v in call.arguments.items() if k not in free}}])


def unsound(domain: Domain, assignment: Assignment) -> str:
    """Why an assignment cannot be used; empty where it can."""
    try:
        golden = replay(domain, assignment)
    except Refusal as refusal:
        return f"its golden calls do not go through: {refusal}"
    idle = succeeded(domain, assignment, database=assignment.database, calls=(), said="")
    if idle["outcome"]:
        return "doing nothing solves it"
    ideal = succeeded(
        domain,
        assignment,
        database=golden,
        calls=assignment.golden,
        said=" ".join(assignment.told),
    )
    return "" if ideal["outcome"] else "its golden calls do not solve it"
