"""Groups in, groups with scores out: every reward function is asked about all rollouts.

A function returns for each rollout a number, None for "cannot say", or a list of pairs (end, number),
one for each step of the answer, `end` being the number of characters of the completion (or of tokens,
where the function has `positions = "tokens"`) at which the step ends. What it returns is checked before
anything is learned from it. No failure ever becomes a 0.0, and no part of a sum the sum: an answer
for which a function with a weight failed has no total. Where functions could not say, the total is
the weighted sum of those that could; None where none could. A function of weight 0 is a measure: what
it says makes no total where functions with a weight say nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cohort.config.lookup import nearest
from cohort.data.episodes import told_of
from cohort.data.records import PART, UNSCORABLE, Group, Problem, Score
from cohort.errors import RewardError
from cohort.rewards.functions import RewardFunction
from cohort.rewards.isolation.asking import Batch
from cohort.rewards.isolation.runner import Runner
from cohort.rewards.outcome import Failed, Outcome, Scored, Steps, Unscorable, as_kind

EPISODES = "episodes"
NOT_ASKED = Unscorable("the reward is for other sources of the mix")
"""What a function says of problems that it is not for."""


def score_groups(
    groups: Sequence[Group],
    rewards: Sequence[RewardFunction],
    runner: Runner | None = None,
    *,
    strict: bool = True,
) -> list[Group]:
    """The groups with one Score per rollout: every function's value, and their weighted sum.

    A function is given, by keyword and aligned with the rollouts of all groups in order: `prompts`,
    `completions` (text, or a list of one assistant message where the prompt is a chat; of an episode
    all that was said and shown; with the `<think>` before it that a template opened), `completion_ids`,
    `episodes` (None, or its turns, facts, stop and seconds), every column that any problem has (None where
    one lacks it), and its own arguments; of these, what its signature names, or all where it has
    `**kwargs`. Without a runner functions run in this process. Raises RewardError, and where it is strict
    also for a function that raised or returned what is no reward; else that is a failure of the rollouts it
    concerns.
    """
    named = [
        f'rollout {number} of problem "{group.problem.id}"'
        for group in groups
        for number in range(len(group.rollouts))
    ]
    if not named:
        return list(groups)
    check_columns(rewards, [group.problem for group in groups])
    given = _given(groups)
    owners = [number for number, group in enumerate(groups) for _ in group.rollouts]
    broken = _broken(groups)
    whole = [(p, o) for p, o in enumerate(owners) if p not in broken]
    asked = [[p for p, o in whole if _speaks(r, groups[o].problem)] for r in rewards]
    batches = [
        (reward, _batch(reward, given, owners, named, places))
        for reward, places in zip(rewards, asked, strict=True)
    ]
    answers = (runner or Runner()).ask(batches, strict=strict)
    said = [dict(zip(places, own, strict=True)) for places, own in zip(asked, answers, strict=True)]
    for own in said:
        own.update(broken)
    begun = [len(groups[owner].begun) for owner in owners]
    scores = iter(
        _score(
            [(r, own.get(place, NOT_ASKED)) for r, own in zip(rewards, said, strict=True)],
            begun[place],
        )
        for place in range(len(named))
    )
    return [replace(group, scores=tuple(next(scores) for _ in group.rollouts)) for group in groups]


def _broken(groups: Sequence[Group]) -> dict[int, Outcome]:
    """The rollouts whose environment failed: no reward is asked about them, and none is made up."""
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    return {
        place: Failed(as_kind(episode.failure[0]), f"its environment: {episode.failure[1]}")
        for place, episode in enumerate(rollout.episode for rollout in rollouts)
        if episode is not None and episode.failure is not None
    }


def check_columns(rewards: Iterable[RewardFunction], problems: Iterable[Problem]) -> None:
    """Raise RewardError where a function requires a column that no problem has; of a mix, no problem
    of a source that it is asked about.

    It can be asked before anything is sampled; `score_groups` asks it again.
    """
    columns: dict[str, dict[str, None]] = {}
    for problem in problems:
        columns.setdefault(_part_of(problem), {}).update(dict.fromkeys(problem.columns))
    for reward in rewards:
        for part, known in columns.items():
            if not reward.options.only or part in reward.options.only:
                _check_columns(reward, part, list(known))


def _check_columns(reward: RewardFunction, part: str, known: Sequence[str]) -> None:
    for column in reward.requires:
        if column in known:
            continue
        near = nearest(column, known)
        there = ", ".join(known) or "no columns"
        hint = (
            f"name it in the recipe: problems.columns = {{ {column} = "
            f'"{near or "the column that holds it"}" }}'
        )
        raise RewardError(
            f'reward "{reward.name}" needs the column "{column}"; the problems '
            + (f"of {part} " if part else "")
            + f"have {there}",
            f"{hint}; or leave {part} out of what it judges: only" if part else hint,
        )


def _part_of(problem: Problem) -> str:
    """The source of a mix that a problem is from; empty where there is no mix."""
    return str(problem.columns.get(PART, ""))


def _speaks(reward: RewardFunction, problem: Problem) -> bool:
    return not reward.options.only or _part_of(problem) in reward.options.only


def _batch(
    reward: RewardFunction,
    given: Mapping[str, list[Any]],
    owners: Sequence[int],
    named: Sequence[str],
    places: Sequence[int],
) -> Batch:
    """What a function is asked: of everything, what is of these places."""
    own = {name: [values[p] for p in places] for name, values in _accepted(reward, given).items()}
    return Batch(own, reward.arguments, [owners[p] for p in places], lambda n: named[places[n]])


def _given(groups: Sequence[Group]) -> dict[str, list[Any]]:
    """Everything a reward function may ask for, one entry per rollout."""
    owners = [group.problem for group in groups for _ in group.rollouts]
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    names = dict.fromkeys(name for group in groups for name in group.problem.columns)
    given: dict[str, list[Any]] = {
        name: [problem.columns.get(name) for problem in owners] for name in names
    }
    given["prompts"] = [
        p.prompt if isinstance(p.prompt, str) else [dict(message) for message in p.prompt]
        for p in owners
    ]
    texts = [text for group in groups for text in group.texts]
    given["completions"] = [
        text if isinstance(problem.prompt, str) else [{"role": "assistant", "content": text}]
        for problem, text in zip(owners, texts, strict=True)
    ]
    given["completion_ids"] = [rollout.tokens.tolist() for rollout in rollouts]
    given[EPISODES] = [
        rollout.episode and told_of(rollout.episode) | {"stop": rollout.stop}
        for rollout in rollouts
    ]
    return given


def _accepted(reward: RewardFunction, given: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """Of everything, what the function's signature names; all of it where it has `**kwargs`, but not
    `episodes` where there are none."""
    names = [name for name in given if reward.takes_everything or name in reward.parameters]
    if EPISODES not in reward.parameters and not any(given[EPISODES]):
        names = [name for name in names if name != EPISODES]
    return {name: given[name] for name in names}


def _score(said: Sequence[tuple[RewardFunction, Outcome]], begun: int) -> Score:
    """A rollout's score, of what became of it at each function; steps are counted behind what was begun."""
    parts = {reward.name: _part(outcome) for reward, outcome in said}
    unsaid = {
        reward.name: _reason(outcome) for reward, outcome in said if not isinstance(outcome, Scored)
    }
    if any(isinstance(outcome, Failed) and reward.weight for reward, outcome in said):
        return Score(None, parts, unsaid=unsaid)
    scored = [(r, o.value) for r, o in said if isinstance(o, Scored)]
    whole = [r.weight * v for r, v in scored if isinstance(v, float) and r.weight]
    rewarding = any(reward.weight for reward, _ in said)
    total = [r.weight * _mean(value) for r, value in scored if r.weight or not rewarding]
    return Score(
        total=math.fsum(total) if total else None,
        parts=parts,
        steps=tuple((max(1, end - begun), v) for end, v in _weighted(scored, tokens=False)),
        whole=math.fsum(whole) if whole else None,
        unsaid=unsaid,
        token_steps=_weighted(scored, tokens=True),
    )


def _weighted(scored: Iterable[tuple[RewardFunction, float | Steps]], *, tokens: bool) -> Steps:
    """The weighted steps of all functions with a weight that count tokens, or that count characters."""
    return tuple(
        sorted(
            (end, reward.weight * value)
            for reward, own in scored
            if isinstance(own, tuple) and reward.weight and reward.counts_tokens is tokens
            for end, value in own
        )
    )


def _part(outcome: Outcome) -> float | None:
    return _mean(outcome.value) if isinstance(outcome, Scored) else None


def _reason(outcome: Outcome) -> tuple[str, str]:
    """Why there is no value: "unscorable" or the kind of a failure, and the reason."""
    if isinstance(outcome, Failed):
        return outcome.kind, outcome.reason
    assert isinstance(outcome, Unscorable), outcome
    return UNSCORABLE, outcome.reason


def _mean(value: float | Steps) -> float:
    """The mean over the steps of an answer, of which there is at least one."""
    if not isinstance(value, tuple):
        return value
    return math.fsum(said for _, said in value) / len(value)
