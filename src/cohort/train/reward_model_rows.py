"""Rows that hold answers, as examples of a reward model: `chosen` and `rejected`, `answers`, or `steps`.

Which columns those are is in `tasks.compared`. Refused: rows without them, answers that are neither
text nor one message, scores and labels that do not fit in number or range, answers that are too long.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cohort.config.preferences import RewardModel
from cohort.data.pairs import CHOSEN, REJECTED
from cohort.data.records import Problem
from cohort.errors import DataError, legible, listed
from cohort.policy.policy import Policy
from cohort.tasks.compared import ANSWERS, LABELS, SCORES, STEPS
from cohort.train.reward_model_examples import Example, Labels

MARGIN = "margin"


@dataclass(frozen=True, slots=True)
class Held:
    """What a row holds: texts with a score each, or one text with the end and the label of its steps."""

    texts: list[str]
    scores: tuple[float, ...] = ()
    steps: tuple[tuple[int, float], ...] = ()


def check_rows(problems: Iterable[Problem], options: RewardModel) -> None:
    """Raise DataError for the first row that does not hold what is to be learned from."""
    for problem in problems:
        held(problem, options)


def held(problem: Problem, options: RewardModel) -> Held:
    """The answers of a row. Raises DataError."""
    columns, where = problem.columns, f"problem {problem.id!r}"
    if options.supervision == "process":
        return _labelled(columns, options.separators[0], where)
    if CHOSEN in columns and REJECTED in columns:
        texts = [_text(columns[name], f"{where}, {name}") for name in (CHOSEN, REJECTED)]
        return Held(texts, (1.0, 0.0))
    if ANSWERS not in columns:
        raise DataError(
            f"{where} has no answers to compare; it has the columns {listed(columns) or 'prompt only'}",
            f"a row has {CHOSEN} and {REJECTED}, or {ANSWERS}; or name rewards that score sampled ones",
        )
    answers = _list(columns[ANSWERS], f"{where}, {ANSWERS}")
    texts = [_text(answer, f"{where}, answer {n}") for n, answer in enumerate(answers, start=1)]
    return Held(texts, _scores(columns, len(texts), options, where))


def example_of(problem: Problem, options: RewardModel, policy: Policy) -> Example:
    """A row as an example. Raises DataError."""
    found = held(problem, options)
    prompt = policy.prompt_tokens(problem)
    answers = tuple(policy.completion_tokens(text, problem) for text in found.texts)
    longest = len(prompt) + max(len(answer) for answer in answers)
    if longest > policy.context:
        raise DataError(
            f"problem {problem.id!r} with an answer has {longest} tokens and the model's context is "
            f"{policy.context}",
            "leave it out, or use a model with a longer context",
        )
    margin = problem.columns.get(MARGIN)
    return Example(
        prompt,
        answers,
        found.scores,
        _placed(found, policy) if found.steps else (),
        options.margin if margin is None else _number(margin, f"problem {problem.id!r}, {MARGIN}"),
    )


def _placed(found: Held, policy: Policy) -> tuple[Labels]:
    """The steps of the one text with the tokens that they end with: those that hold its last character."""
    (text,) = found.texts
    read = policy.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    begins = [begin for begin, _ in read["offset_mapping"]]
    return (tuple((bisect_left(begins, end) - 1, label) for end, label in found.steps),)


def _labelled(columns: Mapping[str, object], separator: str, where: str) -> Held:
    if STEPS not in columns or LABELS not in columns:
        raise DataError(
            f"{where} has no steps with labels; it has the columns {listed(columns) or 'prompt only'}",
            f"a row has {STEPS}, a list of texts, and {LABELS}, as many of true and false",
        )
    pieces = [_text(one, f"{where}, a step") for one in _list(columns[STEPS], f"{where}, {STEPS}")]
    labels = [
        _share(one, f"{where}, a label") for one in _list(columns[LABELS], f"{where}, {LABELS}")
    ]
    if len(pieces) != len(labels) or not all(piece.strip() for piece in pieces):
        raise DataError(
            f"{where} has {len(pieces)} steps, {sum(not p.strip() for p in pieces)} of them empty, and "
            f"{len(labels)} labels",
            "give a label for each step, and no empty step",
        )
    ends, text = [], ""
    for piece in pieces:
        text += (separator if text else "") + piece
        ends.append(len(text))
    return Held([text], steps=tuple(zip(ends, labels, strict=True)))


def _scores(
    columns: Mapping[str, object], count: int, options: RewardModel, where: str
) -> tuple[float, ...]:
    """One for each answer; where there are none, the better the earlier it stands."""
    if SCORES not in columns:
        if options.loss in ("regression", "binary"):
            raise DataError(
                f"{where} has answers and no {SCORES}, and the loss is {options.loss}",
                'give scores, or use loss = "pairs" or "ranking"',
            )
        return tuple(float(count - place) for place in range(count))
    given = _list(columns[SCORES], f"{where}, {SCORES}")
    read = _share if options.loss == "binary" else _number
    scores = tuple(read(one, f"{where}, a score") for one in given)
    if len(scores) != count:
        raise DataError(
            f"{where} has {count} answers and {len(scores)} scores", "give one for each"
        )
    return scores


def _list(value: object, where: str) -> Sequence[object]:
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        return value
    raise DataError(f"{where}: {legible(repr(value), 60)} is no list with something in it")


def _text(value: object, where: str) -> str:
    """Text, or the content of one message of the assistant."""
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 1:
        (value,) = value
    if isinstance(value, Mapping) and value.get("role") == "assistant":
        value = value.get("content")
    if isinstance(value, str):
        return value
    raise DataError(
        f"{where}: {legible(repr(value), 60)} is no answer",
        'an answer is text, or [{"role": "assistant", "content": "text"}]',
    )


def _number(value: object, where: str) -> float:
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    raise DataError(f"{where}: {legible(repr(value), 60)} is no number")


def _share(value: object, where: str) -> float:
    number = _number(value, where)
    if not 0.0 <= number <= 1.0:
        raise DataError(f"{where} is {number}", "give true or false, or a number from 0 to 1")
    return number
