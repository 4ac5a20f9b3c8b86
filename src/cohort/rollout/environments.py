"""The protocol between an episode and its environment, version 1.

An environment is made anew for every rollout. It is told the problem and a seed, which is the same for all
members of a group, and answers with the prompt that the policy sees: all members must start from the same
one, and from the same state. Then it is told each turn of the policy and answers with what the policy is
to see next, or that the episode is over. Methods may be plain or async, and are called from threads of
their own: one environment by one call at a time, many environments at once.

What the environment raises ends its episode as a failure of the machinery, never as a reward of 0; and so
does an answer that is none. `close` is called once for each environment that was made, when its episode
is over, even where a call of it hangs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cohort.data.records import Message, Problem

VERSION = 1
"""Of the protocol; an environment may say which it speaks, as `protocol`."""

Prompt = str | tuple[Message, ...]
"""Text, or chat messages."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call that the policy wrote: the tool's name, and its arguments."""

    name: str
    arguments: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """A turn as the sampler has it.

    tokens: int32 [n], the one that ended it included. logprobs: of each, float32 [n], natural logarithm.
    before: how many tokens stood before it, the prompt's included. read: makes text of tokens.
    """

    tokens: NDArray[np.int32]
    logprobs: NDArray[np.float32]
    before: int
    read: Callable[[Sequence[int]], str]

    def pieces(self) -> list[tuple[str, float]]:
        """Each token as text, with its log-probability."""
        pairs = zip(self.tokens.tolist(), self.logprobs.tolist(), strict=True)
        return [(self.read([token]), logprob) for token, logprob in pairs]


@dataclass(frozen=True, slots=True)
class Spoken:
    """A turn of the policy, as an environment sees it.

    text: what was sampled, without special tokens. number: of the turn, from 0.
    calls: the tool calls in it, in order, where the stage has a format of calls. mistakes: what is wrong
    with the calls that could not be read, a sentence each. content: the text outside of calls.
    sampled: the same in tokens; None where nobody sampled it.
    """

    text: str
    number: int
    calls: tuple[Call, ...] = ()
    mistakes: tuple[str, ...] = ()
    content: str = ""
    sampled: Sampled | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Observed:
    """What the environment answers a turn with.

    seen: what the policy sees next: text, appended as it is, where the prompt is text; chat messages,
    rendered by the model's template, where it is a chat. Of no use when the episode is over.
    reward: of this turn, None when it has none of its own. over: whether the episode ends here.
    facts: what is known of the episode so far, by name; of equal names the last one counts.
    afresh: what is seen is all that the policy sees, in the place of everything before, as a prompt is;
    from there on every turn is a sample of its own.
    """

    seen: Prompt = ""
    reward: float | None = None
    over: bool = False
    facts: Mapping[str, object] = field(default_factory=dict)
    afresh: bool = False


class Environment(Protocol):
    """What every environment has. It may also have `tools` (after `reset`; of type Tool, or entries of a
    chat template's `tools`), which a chat's template is told of; `state_hash() -> str`, which must be equal
    for all members of a group after `reset`; `close()`; `quick`, True where it never waits for
    anything; and `protocol`, the version of this protocol."""

    def reset(self, problem: Problem, seed: int) -> Prompt | Awaitable[Prompt]:
        """The prompt of the episode, often that of the problem."""
        ...

    def step(self, spoken: Spoken) -> Observed | Awaitable[Observed]:
        """What comes of a turn of the policy."""
        ...


EnvironmentFactory = Callable[[], Environment]
"""Makes an environment for one rollout; a class without arguments is one."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the policy may call: its name, what it does, and the JSON schema of its arguments."""

    name: str
    description: str
    parameters: Mapping[str, object]
    call: Callable[..., object]

    @property
    def schema(self) -> dict[str, object]:
        """The entry of a chat template's `tools`."""
        own = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": own}


Tools = Sequence[Tool]
