"""From scored groups to an advantage for every token: which answers count, and what each is worth.

Everything here is about the whole step: an advantage may depend on all of its groups, and nothing
has been cut yet. A rollout without a score enters no mean and no count. What is left out, and why,
stands in the group.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cohort.data.records import Group, JudgedStep, Rollout, Score
from cohort.objective.algorithms import Algorithm
from cohort.objective.choices_of_credit import Scored
from cohort.objective.segments import sums
from cohort.objective.shaping import soft_overlong


@dataclass(frozen=True, slots=True, kw_only=True)
class Shaping:
    """What is done to a rollout's total reward before advantages: scaled, then bounded."""

    scale: float = 1.0
    bounds: tuple[float, float] = (-float("inf"), float("inf"))

    def __call__(self, reward: float) -> float:
        """The reward as advantages see it."""
        return min(max(reward * self.scale, self.bounds[0]), self.bounds[1])


UNSHAPED = Shaping()
NO_WEIGHTS: Mapping[str, float] = {}

TokenAt = Callable[[NDArray[np.int32], int], int]
"""Which of a rollout's tokens completes the first so many characters of its text."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a critic said of the rollouts that count: before each token, and after those that were cut.

    values: float64 [T]. bootstrap: float64 [N], 0 after a rollout that ended.
    """

    values: Tensor
    bootstrap: Tensor


@dataclass(frozen=True, slots=True)
class Credit:
    """The rollouts of a step that count, and the advantage of each of their tokens.

    groups: all groups of the step, with the mean advantage of each rollout.
    places: group and rollout number of those that count, in order.
    advantages: for each of them one per token, float64 [n].
    values, targets: the same of what a critic said and of what it is to learn; empty without one.
    """

    groups: list[Group]
    places: list[tuple[int, int]]
    advantages: list[NDArray[np.float64]]
    values: list[NDArray[np.float64]] = field(default_factory=list)
    targets: list[NDArray[np.float64]] = field(default_factory=list)


def penalized(groups: Sequence[Group], algorithm: Algorithm, *, longest: int) -> list[Group]:
    """The groups with the penalty for long answers in their scores, where the algorithm has one.

    It is a part of the score called `overlong`; `longest` is max_new_tokens.
    """
    if algorithm.chosen["overlong"] != "penalty":
        return list(groups)
    margin = round(float(algorithm.values["overlong_margin"]) * longest)
    return [_penalized(group, longest, margin) for group in groups]


def _penalized(group: Group, longest: int, margin: int) -> Group:
    lengths = torch.tensor([len(rollout.logprobs) for rollout in group.rollouts])
    extra = soft_overlong(lengths, longest=longest, margin=margin).tolist()
    scores = tuple(
        replace(
            score,
            total=None if score.total is None else score.total + penalty,
            parts={**score.parts, "overlong": penalty},
            whole=(score.whole or 0.0) + penalty,
        )
        for score, penalty in zip(group.scores, extra, strict=True)
    )
    return replace(group, scores=scores)


def select(groups: Sequence[Group], algorithm: Algorithm) -> list[Group]:
    """The groups, with the reason for each from which nothing is learned as the algorithm has it.

    unscored: no answer has a score (or the greedy one, where it is asked, has none). overlong: all
    with a score were cut, and such are masked. single: only one counts, and it has none to be
    compared with. flat: rewards that are equal, or differ too little, where these are left out.
    """
    return [replace(group, discarded=_reason(group, algorithm)) for group in groups]


def _reason(group: Group, algorithm: Algorithm) -> str:
    alone = algorithm.has("advantage", "alone")
    counted = _counted(group, algorithm)
    if not counted:
        return "unscored" if not any(r is not None for r in group.rewards) else "overlong"
    if len(counted) < 2 and not alone:
        return "single"
    if algorithm.has("advantage", "greedy") and group.greedy_reward is None:
        return "unscored"
    if algorithm.chosen["groups"] == "all":
        return ""
    rewards = _double([group.rewards[r] or 0.0 for r in counted])
    alike = torch.zeros(len(counted), dtype=torch.long)
    one = Scored(
        rewards=rewards, group=alike, lengths=alike + 1, rollout=torch.arange(len(counted))
    )
    return "" if bool(algorithm.of("groups")(one, algorithm.values)[0]) else "flat"


def _counted(group: Group, algorithm: Algorithm) -> list[int]:
    masked = algorithm.chosen["overlong"] == "mask"
    return [
        number
        for number, (reward, rollout) in enumerate(zip(group.rewards, group.rollouts, strict=True))
        if reward is not None and not (masked and rollout.stop == "length")
    ]


def counted_places(groups: Sequence[Group], algorithm: Algorithm) -> list[tuple[int, int]]:
    """Group and rollout number of all rollouts that count."""
    return [
        (number, rollout)
        for number, group in enumerate(groups)
        if not group.discarded
        for rollout in _counted(group, algorithm)
    ]


def with_advantages(
    groups: Sequence[Group],
    algorithm: Algorithm,
    *,
    weights: Mapping[str, float] = NO_WEIGHTS,
    penalty: Tensor | None = None,
    shaping: Shaping = UNSHAPED,
    token_at: TokenAt | None = None,
    said: Said | None = None,
) -> Credit:
    """An advantage for every token of the rollouts that count, of groups that `select` has seen.

    weights: of the reward functions by name, 1 where one is not among them. penalty: [T], what each
    token of the counted rollouts pays for its divergence from the reference. token_at: which token
    completes so many characters, asked where an algorithm learns from rewards of steps; the reward
    of the whole answer is then that of a last step, which ends with it. said: by the critic, where the
    algorithm asks one, of the counted rollouts.
    """
    places = counted_places(groups, algorithm)
    if not places:
        return Credit([_with_means(group, {}) for group in groups], [], [])
    scored = _scored(groups, places, algorithm, weights=weights, shaping=shaping)
    steps: list[list[JudgedStep]] = []
    if algorithm.has("advantage", "steps"):
        assert token_at is not None, "steps, and nobody who knows where they end"
        steps = [_steps_of(groups[g].rollouts[r], groups[g].scores[r], token_at) for g, r in places]
        scored = _with_steps(scored, steps)
    scored = replace(scored, penalty=penalty)
    values: list[NDArray[np.float64]] = []
    targets: list[NDArray[np.float64]] = []
    if said is None:
        parts = _by_rollout(algorithm.advantages(scored), scored)
    else:
        judged = algorithm.judged(replace(scored, values=said.values, bootstrap=said.bootstrap))
        parts, targets = (_by_rollout(flat, scored) for flat in judged)
        values = _by_rollout(said.values, scored)
    means: dict[int, dict[int, float]] = {}
    for (group, rollout), part in zip(places, parts, strict=True):
        # All tokens alike: that value, and not what the rounding of a mean makes of it.
        value = part[0] if (part == part[0]).all() else part.mean()
        means.setdefault(group, {})[rollout] = float(value)
    credited = [_with_means(group, means.get(g, {})) for g, group in enumerate(groups)]
    credited = _with_judged(credited, places, steps, parts)
    return Credit(credited, places, parts, values, targets)


def _by_rollout(flat: Tensor, scored: Scored) -> list[NDArray[np.float64]]:
    return [part.numpy() for part in flat.double().split(scored.lengths.tolist())]


def _with_means(group: Group, means: dict[int, float]) -> Group:
    return replace(group, advantages=tuple(means.get(r, 0.0) for r in range(len(group.rollouts))))


def _scored(
    groups: Sequence[Group],
    places: Sequence[tuple[int, int]],
    algorithm: Algorithm,
    *,
    weights: Mapping[str, float],
    shaping: Shaping,
) -> Scored:
    scores = [groups[g].scores[r] for g, r in places]
    lengths = torch.tensor([len(groups[g].rollouts[r].logprobs) for g, r in places])
    scored = Scored(
        rewards=_double([shaping(float(score.total or 0.0)) for score in scores]),
        group=torch.tensor([g for g, _ in places]),
        lengths=lengths,
        rollout=torch.arange(len(places)).repeat_interleave(lengths),
    )
    if algorithm.has("advantage", "turns"):
        scored = replace(scored, turn=_turn_of_each([groups[g].rollouts[r] for g, r in places]))
    if algorithm.has("advantage", "greedy"):
        greedy = [shaping(float(groups[g].greedy_reward or 0.0)) for g, _ in places]
        scored = replace(scored, greedy=_double(greedy))
    if algorithm.has("advantage", "each reward"):
        names = list(dict.fromkeys(name for score in scores for name in score.parts))
        columns = [_filled([s.parts.get(name) for s in scores], scored.group) for name in names]
        own = _double([weights.get(name, 1.0) for name in names])
        scored = replace(scored, parts=torch.stack(columns, dim=1), part_weights=own)
    return scored


def _turn_of_each(rollouts: Sequence[Rollout]) -> Tensor:
    """Which of its rollout's turns each sampled token is of; an answer without turns is one."""
    counts = [
        [turn.sampled for turn in rollout.episode.turns]
        if rollout.episode
        else [len(rollout.tokens)]
        for rollout in rollouts
    ]
    return torch.cat(
        [torch.arange(len(own)).repeat_interleave(torch.tensor(own)) for own in counts]
    )


def _steps_of(rollout: Rollout, score: Score, token_at: TokenAt) -> list[JudgedStep]:
    """The steps of an answer with the token each ends at; what is said of the whole comes last."""
    # A step that ends with tokens that the policy was shown ends with what it sampled before them.
    counted = np.cumsum(rollout.sampled) - 1
    last = len(rollout.tokens) - 1

    def step(end: int | None, token: int, value: float) -> JudgedStep:
        return JudgedStep(end, int(counted[token]), value)

    found = [step(end, token_at(rollout.tokens, end), value) for end, value in score.steps]
    for end, value in score.token_steps:
        found.append(step(None, min(max(end - 1, 0), last), value))
    if score.whole is not None:
        found.append(step(len(rollout.text), last, score.whole))
    return found


def _with_steps(scored: Scored, steps: Sequence[Sequence[JudgedStep]]) -> Scored:
    """The rewards of all steps of all answers, and where among the step's tokens each ends."""
    starts = (scored.lengths.cumsum(0) - scored.lengths).tolist()
    owners = [number for number, own in enumerate(steps) for _ in own]
    ends = [start + one.last_token for start, own in zip(starts, steps, strict=True) for one in own]
    return replace(
        scored,
        step_rewards=_double([one.reward for own in steps for one in own]),
        step_group=scored.group[torch.tensor(owners, dtype=torch.long)],
        step_end=torch.tensor(ends, dtype=torch.long),
    )


def _with_judged(
    groups: Sequence[Group],
    places: Sequence[tuple[int, int]],
    steps: Sequence[Sequence[JudgedStep]],
    advantages: Sequence[NDArray[np.float64]],
) -> list[Group]:
    """The groups with the steps of their answers, each with the advantage of its tokens."""
    if not steps:
        return list(groups)
    judged = {
        place: tuple(replace(one, advantage=float(part[one.last_token])) for one in own)
        for place, own, part in zip(places, steps, advantages, strict=True)
    }
    return [
        replace(group, steps=tuple(judged.get((g, r), ()) for r in range(len(group.rollouts))))
        for g, group in enumerate(groups)
    ]


def _filled(values: Sequence[float | None], group: Tensor) -> Tensor:
    """A function's values; where it cannot say, what it says of the group on average, or 0."""
    known = torch.tensor([value is not None for value in values])
    given = _double([value or 0.0 for value in values])
    number = sums(known.double(), group).clamp(min=1.0)
    return torch.where(known, given, sums(given, group) / number)


def _double(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)
