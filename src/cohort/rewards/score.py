"""Groups in, groups with scores out: every reward function is called once, on all rollouts.

What a function returns is checked before anything is learned from it: for each rollout a number,
None for "cannot say", or a list of pairs (end, number), one for each step of the answer, `end` being
the number of characters of the completion at which the step ends. A function that raises, a wrong
count, text or NaN is refused with the name of the function and, where there is one, the rollout; no
failure ever becomes a 0.0.
"""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from cohort.config.lookup import nearest
from cohort.data.imported import cause_of
from cohort.data.records import Group, Problem, Score
from cohort.errors import RewardError
from cohort.rewards.functions import RewardFunction


def score_groups(groups: Sequence[Group], rewards: Sequence[RewardFunction]) -> list[Group]:
    """The groups with one Score per rollout: every function's value, and their weighted sum.

    A function is given, by keyword and aligned with the rollouts of all groups in order: `prompts`,
    `completions` (text, or a list of one assistant message where the prompt is a chat),
    `completion_ids`, every column that any problem has (None where one lacks it), and its own
    arguments; of these, what its signature names, or all where it has `**kwargs`. Coroutines run
    to their end. A total is None where no function could say. Raises RewardError.
    """
    places = [(group.problem, n) for group in groups for n in range(len(group.rollouts))]
    if not places:
        return list(groups)
    check_columns(rewards, [group.problem for group in groups])
    given = _given(groups)
    values = {reward.name: _values(reward, given, places) for reward in rewards}
    weights = {reward.name: reward.weight for reward in rewards}
    scores = iter(
        _score({name: values[name][i] for name in values}, weights) for i in range(len(places))
    )
    return [replace(group, scores=tuple(next(scores) for _ in group.rollouts)) for group in groups]


def check_columns(rewards: Iterable[RewardFunction], problems: Iterable[Problem]) -> None:
    """Raise RewardError where a function requires a column that no problem has.

    It can be asked before anything is sampled; `score_groups` asks it again.
    """
    known = list(dict.fromkeys(name for problem in problems for name in problem.columns))
    for reward in rewards:
        for column in reward.requires:
            if column in known:
                continue
            near = nearest(column, known)
            there = ", ".join(known) or "no columns"
            raise RewardError(
                f'reward "{reward.name}" needs the column "{column}"; the problems have {there}',
                f"name it in the recipe: problems.columns = {{ {column} = "
                f'"{near or "the column that holds it"}" }}',
            )


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
    given["completions"] = [
        rollout.text
        if isinstance(problem.prompt, str)
        else [{"role": "assistant", "content": rollout.text}]
        for problem, rollout in zip(owners, rollouts, strict=True)
    ]
    given["completion_ids"] = [rollout.tokens.tolist() for rollout in rollouts]
    return given


Steps = tuple[tuple[int, float], ...]
"""The steps of an answer: where each ends, in characters, and its reward."""


def _values(
    reward: RewardFunction, given: dict[str, list[Any]], places: Sequence[tuple[Problem, int]]
) -> list[float | Steps | None]:
    """What one function says of every rollout, checked."""
    accepted = given if reward.takes_everything else reward.parameters
    keywords = {name: list(given[name]) for name in given if name in accepted}
    returned = _call(reward, {**keywords, **reward.arguments})
    if isinstance(returned, (str, bytes, dict)) or not hasattr(returned, "__len__"):
        raise RewardError(
            f'reward "{reward.name}" returned {_seen(returned)}, not a list',
            "return a list with one number per completion",
        )
    listed = list(returned)
    if len(listed) != len(places):
        raise RewardError(
            f'reward "{reward.name}" returned {len(listed)} values for {len(places)} completions',
            "return one number per completion, None where it cannot say",
        )
    return [_value(reward, value, *place) for value, place in zip(listed, places, strict=True)]


def _value(
    reward: RewardFunction, value: Any, problem: Problem, number: int
) -> float | Steps | None:
    """What a function says of one rollout: a number, None, or its steps in order."""
    if not isinstance(value, (list, tuple)):
        return _number(reward, value, problem, number)
    steps = []
    for step in value:
        if not isinstance(step, (list, tuple)) or len(step) != 2 or not _is_place(step[0]):
            raise RewardError(
                f'reward "{reward.name}" returned {_seen(value)} for rollout {number} of problem '
                f'"{problem.id}": {_seen(step)} is no step',
                "return a number, or pairs of the characters at which a step ends and its reward",
            )
        said = _number(reward, step[1], problem, number)
        if said is not None:
            steps.append((int(step[0]), said))
    return tuple(sorted(steps))


def _is_place(end: Any) -> bool:
    return isinstance(end, int) and not isinstance(end, bool) and end >= 0


def _call(reward: RewardFunction, keywords: dict[str, Any]) -> Any:
    try:
        returned = reward.function(**keywords)
        return _finished(returned) if inspect.iscoroutine(returned) else returned
    except (Exception, SystemExit) as error:
        code = getattr(inspect.unwrap(reward.function), "__code__", None)
        raise RewardError(
            f'reward "{reward.name}" raised {cause_of(error, getattr(code, "co_filename", ""))}',
            "return None for an answer that it cannot judge; add -v to see the traceback",
        ) from error


def _finished(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The coroutine's result; in a thread of its own, since a notebook has a loop running."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def _number(reward: RewardFunction, value: Any, problem: Problem, number: int) -> float | None:
    """One returned value as a float; None stays None."""
    if value is None:
        return None
    try:
        converted = math.nan if isinstance(value, (str, bytes)) else float(value)
    except (TypeError, ValueError, OverflowError):
        converted = math.nan
    if math.isfinite(converted):
        return converted
    raise RewardError(
        f'reward "{reward.name}" returned {_seen(value)} for rollout {number} of problem '
        f'"{problem.id}"',
        "return a finite number, or None where it cannot say",
    )


def _seen(value: object) -> str:
    """A value as a message shows it, short, with its type where that tells more."""
    text = repr(value)
    text = text if len(text) <= 40 else f"{text[:37]}..."
    return text if isinstance(value, (float, int, str)) else f"{text} ({type(value).__name__})"


def _score(said: dict[str, float | Steps | None], weights: dict[str, float]) -> Score:
    parts = {name: _mean(value) for name, value in said.items()}
    steps = sorted(
        (end, weights[name] * value)
        for name, own in said.items()
        if isinstance(own, tuple)
        for end, value in own
    )
    whole = [weights[n] * v for n, v in said.items() if isinstance(v, float) and weights[n]]
    total = [weights[name] * value for name, value in parts.items() if value is not None]
    return Score(
        total=math.fsum(total) if total else None,
        parts=parts,
        steps=tuple(steps),
        whole=math.fsum(whole) if whole else None,
    )


def _mean(value: float | Steps | None) -> float | None:
    """The mean over the steps of an answer; None for an answer without any."""
    if not isinstance(value, tuple):
        return value
    return math.fsum(said for _, said in value) / len(value) if value else None
