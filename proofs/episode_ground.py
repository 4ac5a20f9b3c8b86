"""The ground that faults of episodes are tried on: healthy groups, and one whose environment is at fault.

A file of its own, since a run imports it by its path, and what is at fault shares an event with the proof
that lets go of whatever hangs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cohort.data.records import Problem
from cohort.rollout.environments import Call, Observed, Prompt, Spoken
from cohort.rollout.tool_environment import ToolEnvironment
from cohort.rollout.tools import tool_of

RELEASE = threading.Event()
"""Set at the end of a case: who hangs for it may end."""
TURN_SECONDS, CALL_SECONDS, CHARACTERS = 4.0, 1.0, 200
GO_ON = ({"role": "user", "content": "go on"},)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something at fault. make: an environment. kind: of the failure that its rollouts must be counted as;
    empty: none, they are scored. seen: what the policy must have been shown. stop: why they must have
    ended. alone: nothing beside it is healthy."""

    make: Callable[[], Any]
    kind: str = ""
    seen: str = ""
    stop: str = ""
    alone: bool = False


class Healthy:
    """Two turns."""

    def reset(self, problem: Problem, seed: int) -> Prompt:
        """The problem's prompt."""
        return problem.prompt

    def step(self, spoken: Spoken) -> Observed:
        """One more turn after the first."""
        return Observed(GO_ON, over=spoken.number > 0, facts={"turns": spoken.number + 1})


class Calling(ToolEnvironment):
    """Tools, of which each is called by the first turn, whatever that says."""

    def step(self, spoken: Spoken) -> Observed:
        """As if the turn were a call."""
        calls = tuple(Call(tool.name) for tool in self.tools) if spoken.number == 0 else ()
        return super().step(replace(spoken, calls=calls))


def with_tool(body: Callable[[], Any]) -> Callable[[], Calling]:
    """An environment with a tool that does this."""

    def act() -> Any:
        """Do it."""
        return body()

    return calling(act)


def calling(function: Callable[..., Any]) -> Callable[[], Calling]:
    """An environment with this tool."""
    return lambda: Calling(
        [tool_of(function)], call_seconds=CALL_SECONDS, result_characters=CHARACTERS
    )


def hang(seconds: float = 60.0) -> None:
    """Wait for the end of the case."""
    RELEASE.wait(seconds)


class Ground:
    """The environment of a stage: what is at fault for problems that say so, and else healthy."""

    def __init__(self, fault: str = "") -> None:
        self._fault = fault
        self._inner: Any = None
        self.protocol = 9 if fault == "another protocol" else 1
        if fault == "factory raises":
            raise OSError("no container is left")

    def reset(self, problem: Problem, seed: int) -> Any:
        """Whatever the fault makes of it."""
        from proofs import faults_of_episodes

        faulty = self._fault if problem.columns["faulty"] else ""
        self._inner = faults_of_episodes.FAULTS[faulty].make() if faulty else Healthy()
        return self._inner.reset(problem, seed)

    def step(self, spoken: Spoken) -> Any:
        """The same."""
        return self._inner.step(spoken)

    def close(self) -> Any:
        """The same."""
        return self._inner.close() if hasattr(self._inner, "close") else None

    def __getattr__(self, name: str) -> Any:
        if name not in ("tools", "quick", "state_hash"):
            raise AttributeError(name)
        return getattr(self.__dict__.get("_inner"), name)


def first_length(episodes: Sequence[Mapping[str, Any] | None], **_: object) -> list[float | None]:
    """Of the first turn, in characters, over eight: never 0, so that a 0 would be made up."""
    return [None if one is None else length(one["turns"]) for one in episodes]


def length(turns: Sequence[Mapping[str, Any]]) -> float:
    """The reward of an episode with these turns."""
    return (1 + len(turns[0]["text"]) % 8) / 8
