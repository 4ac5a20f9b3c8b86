"""An agent at work on a database: every call of a tool is answered, and a turn without one ends the episode.

The prompt is a chat. What a tool returns is shown as JSON, and what it refuses as an error, since an agent
that is told can do better. Calls that cannot be read, and tools that do not exist, are answered likewise and
counted.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any, final

from cohort.data.records import Message, Problem
from cohort.rollout.environments import Call, Observed, Spoken, Tools
from cohort.tasks.toolscale_domain import (
    Assignment,
    Database,
    Domain,
    Refusal,
    done,
    state_hash,
    succeeded,
)


@final
class DomainDesk:
    """The environment of a domain's assignments, which are in the columns of their problems (`columns_of`).

    Facts: `calls` of each tool, `refused` and `mistakes` (calls that could not be read), `cost` and
    `latency`, of which a call has one each; once it is over also `outcome`, and what it is made of:
    `database`, `complete`, `told`.
    """

    quick = True
    protocol = 1

    def __init__(self, domain: Domain) -> None:
        self._domain = domain

    @property
    def tools(self) -> Tools:
        """What the agent may call, on the database as it is."""
        return [operation.on(self._database) for operation in self._domain.operations]

    def reset(self, problem: Problem, seed: int) -> str | tuple[Message, ...]:
        """The problem's prompt; the database is the problem's, and nothing is drawn."""
        self._assignment = assignment_in(problem)
        self._database: Database = copy.deepcopy(dict(self._assignment.database))
        self._calls = {operation.name: 0 for operation in self._domain.operations}
        self._made: list[Call] = []
        self._said: list[str] = []
        self._refused = self._mistakes = 0
        return problem.prompt

    def state_hash(self) -> str:
        """Of the database."""
        return state_hash(self._database)

    def step(self, spoken: Spoken) -> Observed:
        """The answers to a turn's calls, or the end."""
        self._said.append(spoken.content)
        self._mistakes += len(spoken.mistakes)
        if not spoken.calls and not spoken.mistakes:
            held = succeeded(
                self._domain,
                self._assignment,
                database=self._database,
                calls=self._made,
                said="\n".join(self._said),
            )
            return Observed(over=True, facts=self._facts() | held)
        shown = [self._answered(call) for call in spoken.calls]
        shown += [_error(mistake) for mistake in spoken.mistakes]
        return Observed(tuple(shown), facts=self._facts())

    def _answered(self, call: Call) -> Message:
        try:
            returned = done(self._domain, call, self._database)
        except Refusal as refusal:
            self._refused += 1
            return _error(str(refusal))
        self._calls[call.name] += 1
        self._made.append(call)
        return {"role": "tool", "content": json.dumps(returned)}

    def _facts(self) -> dict[str, object]:
        tried = sum(self._calls.values()) + self._refused
        return {
            "calls": dict(self._calls),
            "refused": self._refused,
            "mistakes": self._mistakes,
            "cost": tried,
            "latency": tried,
        }


def _error(why: str) -> Message:
    return {"role": "tool", "content": json.dumps({"error": why})}


def prompt_of(domain: Domain, assignment: Assignment) -> tuple[Message, ...]:
    """A chat: the domain's policy, what was said earlier, and the request."""
    policy, request = (
        {"role": role, "content": content}
        for role, content in (("system", domain.policy), ("user", assignment.request))
    )
    return policy, *assignment.earlier, request


def columns_of(assignment: Assignment) -> dict[str, object]:
    """An assignment as the columns of a problem: plain data."""
    return {
        "request": assignment.request,
        "database": dict(assignment.database),
        "golden": [{"name": c.name, "arguments": dict(c.arguments)} for c in assignment.golden],
        "told": list(assignment.told),
        "judged": list(assignment.judged),
        "uncompared": {name: list(free) for name, free in assignment.uncompared.items()},
    }


def assignment_in(problem: Problem) -> Assignment:
    """The assignment in the columns of a problem."""
    columns: Mapping[str, Any] = problem.columns
    golden: Sequence[Mapping[str, Any]] = columns["golden"]
    return Assignment(
        problem.id,
        columns["request"],
        columns["database"],
        tuple(Call(call["name"], call["arguments"]) for call in golden),
        tuple(columns["told"]),
        tuple(columns["judged"]),
        {name: tuple(free) for name, free in columns["uncompared"].items()},
    )
