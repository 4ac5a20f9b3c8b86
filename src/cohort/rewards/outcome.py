"""What became of one rollout at one reward function: a value, a reason why not, or a failure.

Only a `Scored` rollout enters a group's mean, deviation and count. A failure of the machinery is
`Failed` and never a number. Functions of the user return plain numbers and None; those of Cohort may
return these where they have a reason to give.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal[
    "raised",
    "invalid",
    "deadline",
    "crashed",
    "memory",
    "processes",
    "output",
    "unreachable",
    "rubric",
]
"""raised: the function did. invalid: it returned what is no reward. deadline, crashed, memory,
processes, output: what ended the process that it ran in. unreachable: a service did not answer as it must.
rubric: what should be criteria is none."""

KINDS: tuple[Kind, ...] = get_args(Kind)


def as_kind(name: str) -> Kind:
    """The kind of this name."""
    return next(kind for kind in KINDS if kind == name)


Steps = tuple[tuple[int, float], ...]
"""The steps of an answer: where each ends, in characters or in tokens, and its reward."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A finite number, or the steps of the answer with theirs."""

    value: float | Steps


@dataclass(frozen=True, slots=True)
class Unscorable:
    """There is nothing to say of this rollout, and nothing broke: no gold answer, another language."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The machinery broke. `retryable`: the same call may go well another time."""

    kind: Kind
    reason: str
    retryable: bool = False


Outcome = Scored | Unscorable | Failed
