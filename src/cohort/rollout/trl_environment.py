"""Environments and tools as TRL's trainer takes them, behind Cohort's protocol.

There an environment is any object with `reset(**columns)`, which returns a text for the end of the
prompt, or None; its other public methods are tools; and `get_reward()`, where it has one, says what
the episode was worth. Unlike there, a failure of `reset` or `get_reward` is a failure of the episode, never
a reward, and a method that hangs is given up at a deadline.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from cohort.data.records import Problem
from cohort.errors import RecipeError, legible
from cohort.rollout.caller import Caller
from cohort.rollout.environments import VERSION, EnvironmentFactory, Observed, Prompt, Spoken, Tool
from cohort.rollout.messages import with_text
from cohort.rollout.tool_environment import ToolEnvironment
from cohort.rollout.tools import methods_of

NO_TOOLS = ("reset", "get_reward")
"""Public methods that a policy cannot call."""

Function = Callable[..., object]


def from_trl(
    environment_factory: Callable[[], object] | None = None,
    tools: Sequence[Function | Tool] = (),
    **options: Any,
) -> EnvironmentFactory:
    """What makes an environment of TRL's two arguments; options are those of ToolEnvironment.

    Raises RecipeError where there is neither.
    """
    if environment_factory is None and not tools:
        raise RecipeError("there is neither an environment_factory nor a tool", "give one of them")
    if environment_factory is None:
        return partial(ToolEnvironment, tools, **options)
    return partial(TrlEnvironment, environment_factory, tools, **options)


class TrlEnvironment:
    """One object of an `environment_factory`, made anew for each episode.

    seconds: that `reset` and `get_reward` may take; a call of a tool has `call_seconds`.
    """

    protocol = VERSION

    def __init__(
        self,
        factory: Callable[[], object],
        tools: Sequence[Function | Tool] = (),
        *,
        seconds: float = 60.0,
        **options: Any,
    ) -> None:
        self._own: Any = factory()
        if not callable(getattr(self._own, "reset", None)):
            raise RecipeError(
                f"{legible(type(self._own).__name__)} has no reset, so it is no environment",
                "define reset(self, **columns); return a text for the prompt, or None",
            )
        self._acts = ToolEnvironment([*methods_of(self._own, NO_TOOLS), *tools], **options)
        self._caller = Caller(seconds)

    @property
    def tools(self) -> tuple[Tool, ...]:
        """What the policy may call."""
        return self._acts.tools

    def reset(self, problem: Problem, seed: int) -> Prompt:
        """The prompt, and after it what the object's own `reset` says."""
        own: dict[str, object] = {**problem.columns, "prompt": problem.prompt, "seed": seed}
        text = _text(self._called(self._own.reset, _taken(self._own.reset, own)))
        prompt = self._acts.reset(problem, seed)
        if not text:
            return prompt
        return prompt + text if isinstance(prompt, str) else with_text(prompt, text)

    def step(self, spoken: Spoken) -> Observed:
        """What the tools say; at the end, what the object says that the episode was worth."""
        observed = self._acts.step(spoken)
        worth = getattr(self._own, "get_reward", None)
        if not observed.over or worth is None:
            return observed
        return replace(observed, reward=_number(self._called(worth, {})))

    def _called(self, function: Function, arguments: Mapping[str, object]) -> object:
        came = self._caller.call(function, arguments)
        if isinstance(came.raised, Exception):
            raise came.raised
        if came.failure:
            raise RuntimeError(f"{getattr(function, '__name__', 'it')}: {came.failure}")
        return came.value


def _taken(function: Function, columns: Mapping[str, object]) -> dict[str, object]:
    """The columns that a function takes: those it names, all of the problem's with `**kwargs`."""
    parameters = inspect.signature(function).parameters
    everything = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    return {
        name: value
        for name, value in columns.items()
        if name in parameters or (everything and name != "seed")
    }


def _text(said: object) -> str:
    """What `reset` returned as text: None, a text, or a list of blocks of text."""
    if said is None or isinstance(said, str):
        return said or ""
    if isinstance(said, list) and all(
        isinstance(block, dict) and isinstance(block.get("text"), str) for block in said
    ):
        return "".join(block["text"] for block in said)
    raise TypeError(f"reset returned {legible(repr(said))}, and not a text, blocks of text or None")


def _number(said: object) -> float | None:
    """A reward; None says nothing of the episode."""
    if said is None:
        return None
    if isinstance(said, (int, float)) and said - said == 0:
        return float(said)
    raise TypeError(f"get_reward returned {legible(repr(said))}, which is no finite number")
