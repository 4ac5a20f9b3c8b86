"""The records that pass between rooms: Problem, Demonstration, Rollout, Score, Group.

They are values: made once, never changed. A Group carries its problem and its rollouts, so nothing
ever recovers a group from positions in a batch. Token ids are the truth; text is for people and
for reward functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Message = Mapping[str, str]
"""One chat message: `role` and `content`."""

StopReason = Literal["end", "length", "turns", "time", "failed"]
"""Why a rollout stopped: it sampled an end token (of an episode: it was over), or it was cut at the limit
of tokens; of an episode also at that of turns or of time, or because its environment failed."""


PART = "mixed_from"
"""The column that says which source of a mix a problem is from."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is asked: a stable id, a prompt (text or chat messages), and what its rewards need."""

    id: str
    prompt: str | tuple[Message, ...]
    columns: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A Problem with an answer worth imitating, for supervised training.

    earlier: of an episode, the turns before the completion, each with what was shown after it; of these
    only what was said is imitated.
    """

    problem: Problem
    completion: str
    earlier: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of an episode: so many tokens that the policy sampled, and then so many that it was shown.

    text: what was sampled. seen: what was shown. reward: the environment's for this turn, if it gave one.
    mistakes: what was wrong with calls that could not be read. context: the tokens that this turn went on
    from, where they were written anew; None: the prompt and everything before.
    """

    sampled: int
    observed: int = 0
    text: str = ""
    seen: str = ""
    reward: float | None = None
    mistakes: tuple[str, ...] = ()
    context: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Episode:
    """What a rollout is beside its tokens where it had turns.

    facts: what the environment said of it, by name. failure: the kind of a failure of the machinery and
    a reason; empty where there was none. seconds: by the clock, tools included.
    """

    turns: tuple[Turn, ...]
    facts: Mapping[str, object] = field(default_factory=dict)
    failure: tuple[str, str] | None = None
    seconds: float = 0.0

    @property
    def sampled(self) -> NDArray[np.bool_]:
        """Which tokens of the rollout the policy sampled: bool [n]."""
        lengths = [length for turn in self.turns for length in (turn.sampled, turn.observed)]
        return np.repeat(np.resize([True, False], len(lengths)), lengths)


@dataclass(frozen=True, slots=True, eq=False)
class Rollout:
    """One sampled answer: its tokens, the sampler's log-probability of each, and why it stopped.

    tokens: int32 [n], the end token included when it was sampled; n >= 1. Of an episode, those that
        it was shown are among them.
    logprobs: float32 [s] of the sampled tokens alone, natural logarithm, at the temperature that was
        sampled with. s = n but for episodes.
    version: how many optimizer updates the policy had seen when it sampled this.
    temperature: what it was sampled with; the trainer's log-probabilities are taken with the same.
    """

    tokens: NDArray[np.int32]
    logprobs: NDArray[np.float32]
    stop: StopReason
    text: str
    version: int = 0
    temperature: float = 1.0
    episode: Episode | None = None

    @property
    def sampled(self) -> NDArray[np.bool_]:
        """Which tokens the policy sampled, and did not read: bool [n]."""
        if self.episode is None:
            return np.ones(len(self.tokens), dtype=bool)
        return self.episode.sampled


SCORED, UNSCORABLE = "scored", "unscorable"
"""What became of a rollout at a function, beside the kinds of failures."""


@dataclass(frozen=True, slots=True)
class Score:
    """What the reward functions said of one rollout.

    parts: function name -> value, or None for "cannot say".
    total: the weighted sum over the functions that said something; None when none did, and where
        one that has a weight failed: a part of a sum is never taken for the sum.
    steps: where functions reward steps of the answer, for each step the number of characters of the
        answer at which it ends, and its weighted reward, in order. Their function's part is the mean.
    whole: the weighted sum over the functions that reward whole answers, None when none said.
    unsaid: function name -> why it gave no value: "unscorable" or the kind of a failure, and a reason.
    token_steps: as steps, of the functions that count tokens.
    """

    total: float | None
    parts: Mapping[str, float | None]
    steps: tuple[tuple[int, float], ...] = ()
    whole: float | None = None
    unsaid: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    token_steps: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class JudgedStep:
    """A step of an answer that has a reward of its own, and what is made of it.

    end: the characters of the answer at which it ends; None where tokens were counted.
    last_token: the place of its last token among those of the answer that were sampled.
    reward: weighted. advantage: that of its tokens.
    """

    end: int | None
    last_token: int
    reward: float
    advantage: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What the last update of a step saw of the tokens of an answer: one value for each that was sampled.

    ratios: float16, how much likelier the token had become by then, against the policy that its loss compares
    with; 1 where a step has one update. entropies: float16, nats, of the policy before the token.
    clipped: bool, where the loss had let go of it.
    """

    ratios: NDArray[np.float16]
    entropies: NDArray[np.float16]
    clipped: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Group:
    """A Problem with its G rollouts, and what was made of them.

    prompt_tokens: int32 [p], the prompt exactly as the policy saw it.
    scores: one per rollout, empty until they are scored.
    advantages: one per rollout, empty until they are computed; 0 where there is no score. Where
        those of its tokens differ, their mean.
    greedy_reward: that of the greedy answer, where the algorithm compares with it.
    discarded: why nothing is learned from the group; empty when something may be.
    steps: the rewarded steps of each rollout, where the algorithm learns from them.
    learned: one per rollout, None where it was in no update; empty until there was one.
    begun: what stands in the prompt of the answers already, where the chat template opens a thought.
    """

    problem: Problem
    prompt_tokens: NDArray[np.int32]
    rollouts: tuple[Rollout, ...]
    scores: tuple[Score, ...] = ()
    advantages: tuple[float, ...] = ()
    greedy_reward: float | None = None
    discarded: str = ""
    steps: tuple[tuple[JudgedStep, ...], ...] = ()
    learned: tuple[Learned | None, ...] = ()
    begun: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        """The text of each rollout, with what was begun of it before it."""
        return tuple(self.begun + rollout.text for rollout in self.rollouts)

    @property
    def rewards(self) -> tuple[float | None, ...]:
        """The total reward of each rollout; None where no function could say."""
        return tuple(score.total for score in self.scores)

    @property
    def has_signal(self) -> bool:
        """Whether any rollout's advantage is not zero."""
        return any(a != 0.0 for a in self.advantages)
