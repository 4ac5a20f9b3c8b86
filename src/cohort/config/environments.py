"""The environment of a stage whose answers have several turns."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from cohort.config.base import Table
from cohort.config.optimizer import MOST

Seconds = Annotated[float, Field(gt=0.0, le=1e9)]


class Environment(Table):
    """With an environment an answer is an episode: at the end of each turn it says what the policy sees
    next, until the episode is over. `environment = "calculator"` is short for `{ name = "calculator" }`;
    further keys are arguments of what makes it."""

    model_config = ConfigDict(extra="allow")

    name: str = ""
    """An environment of the task, `file.py:Class`, or empty where there are `tools`: then it answers calls
    of these, and an episode is over after a turn without a call."""
    tools: list[str] = []
    """Functions that the policy may call, each `file.py:function`; what they do, and their arguments, are
    read from the signature and the docstring."""
    calls: Literal["none", "auto", "hermes", "llama3", "json"] = "none"
    """How the policy writes calls of tools: as Qwen and Hermes, as Llama 3, or as plain JSON; `auto`: as
    the model's chat template does. `none`: there are no calls, a turn is text."""
    max_turns: Annotated[int, Field(ge=1, le=MOST)] = 8
    """The most turns of an episode; `max_new_tokens` counts the tokens of all of them, and those that the
    policy is shown in between."""
    turn_seconds: Seconds = 60.0
    """How long the environment may take for one answer; then the episode has failed."""
    episode_seconds: Seconds = 1e9
    """After how long no further turn of an episode begins."""
    context_tokens: Annotated[int, Field(ge=0, le=MOST)] = 0
    """The most tokens of a context that the environment may write anew for a turn, in the place of
    everything before; from there on each turn is a sample of its own. Memory for so many is set aside for
    each prompt of a step and each slot. 0: the conversation has to go on as it was."""
    at_once: Annotated[int, Field(ge=1, le=10_000)] = 64
    """The most environments that are asked side by side."""

    @property
    def arguments(self) -> dict[str, Any]:
        """The further keys."""
        return dict(self.model_extra or {})
