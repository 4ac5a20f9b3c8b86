"""An environment that answers the calls of a turn with what tools return.

It ends with the first turn that has no call. Whatever a tool does is told to the policy as text:
what it returned, that it raised, that it did not end in time. A call that cannot be read, of a tool
that is not there, or with wrong arguments is the policy's mistake, and is told too. Of both it keeps
count, for rewards and tables: `calls`, `mistakes`, `tool_failures`, and `calls_of`, by tool.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cohort.config.lookup import nearest
from cohort.data.records import Problem
from cohort.errors import RecipeError, legible, listed
from cohort.rollout.caller import Caller, Came
from cohort.rollout.environments import VERSION, Call, Observed, Prompt, Spoken, Tool
from cohort.rollout.introduction import introduced, introduction
from cohort.rollout.messages import results
from cohort.rollout.told import Untellable, safe, told
from cohort.rollout.tools import BadArguments, arguments_for, tools_of


@dataclass(frozen=True, slots=True)
class Result:
    """What is told of a call: the tool's name and a text; and whose fault it is if it went wrong."""

    name: str
    text: str
    mistaken: bool = False
    failed: bool = False


AsText = Callable[[Sequence[Result]], str]
"""How results are shown where the prompt is text and not a chat."""
Bill = Callable[[str, Came, float], Came]
"""Hears of every call that was made: the tool's name, what it came to, and the seconds that it took; says
what is told of it. What it raises fails the episode."""


def lines(told_of: Sequence[Result]) -> str:
    """The text of each result on a line of its own, and one line before them."""
    return "".join(f"\n{result.text}" for result in told_of) + "\n"


class ToolEnvironment:
    """Tools, and an episode that goes on as long as they are called.

    call_seconds: one call may take, at most. result_characters: of a result are shown, at most.
    calls_per_turn: that are made of a turn; the others are told that they were too many. as_text: how
    results are shown where the prompt is text. introduce: a form of calls; the prompt then begins with
    a description of the tools, for templates that have none. bill: hears of every call.
    """

    protocol = VERSION

    def __init__(
        self,
        tools: Sequence[Callable[..., object] | Tool],
        *,
        call_seconds: float = 30.0,
        result_characters: int = 8000,
        calls_per_turn: int = 16,
        as_text: AsText = lines,
        introduce: str = "",
        bill: Bill | None = None,
    ) -> None:
        if result_characters < 1 or calls_per_turn < 1:
            raise RecipeError(
                f"result_characters is {result_characters} and calls_per_turn {calls_per_turn}",
                "both are 1 or more",
            )
        self.tools = tools_of(tools)
        self._named = {tool.name: tool for tool in self.tools}
        self._caller = Caller(call_seconds)
        self._most_characters, self._most_calls = result_characters, calls_per_turn
        self._as_text, self._bill = as_text, bill
        self._introduction = introduction(self.tools, introduce) if introduce else ""
        self._is_chat = False
        self._counts: Counter[str] = Counter()
        self._calls_of: Counter[str] = Counter()

    def reset(self, problem: Problem, seed: int) -> Prompt:
        """The problem's prompt; a tool has no state that a seed could be for."""
        self._is_chat = not isinstance(problem.prompt, str)
        told_first = self._introduction
        return introduced(problem.prompt, told_first) if told_first else problem.prompt

    def step(self, spoken: Spoken) -> Observed:
        """The results of a turn's calls, in order; over where it has none."""
        made = [self._result(call) for call in spoken.calls[: self._most_calls]]
        left = spoken.calls[self._most_calls :]
        made += [self._mistake(call.name, "more calls than a turn may have") for call in left[:1]]
        made += [self._mistake("", sentence) for sentence in spoken.mistakes]
        self._counts["mistakes"] += sum(result.mistaken for result in made) + len(left[1:])
        self._counts["tool_failures"] += sum(result.failed for result in made)
        return Observed(self._seen(spoken, made), over=not made, facts=self.facts)

    @property
    def facts(self) -> dict[str, object]:
        """What is counted of the episode so far."""
        counts = {name: self._counts[name] for name in ("calls", "mistakes", "tool_failures")}
        return {**counts, "calls_of": dict(self._calls_of)}

    def _result(self, call: Call) -> Result:
        tool = self._named.get(call.name)
        if tool is None:
            near = nearest(call.name, self._named)
            hint = f"did you mean {near}?" if near else f"there are {listed(self._named) or 'none'}"
            return self._mistake(call.name, f"there is no tool {legible(call.name)}; {hint}")
        try:
            arguments = arguments_for(tool, call.arguments)
        except BadArguments as wrong:
            return self._mistake(call.name, str(wrong))
        self._counts["calls"] += 1
        self._calls_of[call.name] += 1
        began = time.monotonic()
        came = self._caller.call(tool.call, arguments)
        if self._bill is not None:
            came = self._bill(call.name, came, time.monotonic() - began)
        try:
            text = came.failure or told(came.value, self._most_characters)
        except Untellable as error:
            return self._failure(call.name, str(error))
        return self._failure(call.name, text) if came.failure else Result(call.name, text)

    def _failure(self, name: str, why: str) -> Result:
        return Result(name, safe(f"error: {why}", self._most_characters), failed=True)

    def _mistake(self, name: str, why: str) -> Result:
        return Result(legible(name), safe(f"error: {why}", self._most_characters), mistaken=True)

    def _seen(self, spoken: Spoken, made: Sequence[Result]) -> Prompt:
        if not self._is_chat:
            return self._as_text(made) if made else ""
        if made and not spoken.calls:  # no template knows a tool's message without a call
            return ({"role": "user", "content": "\n".join(result.text for result in made)},)
        return results(spoken.number, [(result.name, result.text) for result in made])
