"""What a reward model learns from: a prompt, answers to it, what is known of them; and a file of such.

An example is kept as the tokens that were read, so that replaying it later needs no tokenizer and no
reward function. Its file is safetensors: a few flat arrays, nothing that could be executed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from cohort.errors import RunError

Tokens = NDArray[np.int32]
Labels = tuple[tuple[int, float], ...]
"""Steps of an answer: the place of the token that each ends with, and its label."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A prompt [p] and answers to it, each [n], with n >= 1.

    scores: one per answer; which is better, or what it is worth. Empty where steps are labelled.
    steps: the labelled steps of each answer; empty where answers have scores.
    margin: how much better the better answer of a pair should be.
    """

    prompt: Tokens
    answers: tuple[Tokens, ...]
    scores: tuple[float, ...] = ()
    steps: tuple[Labels, ...] = ()
    margin: float = 0.0


def encoded(examples: Sequence[Example]) -> bytes:
    """The examples as the bytes of a file."""
    answers = [answer for one in examples for answer in one.answers]
    steps = [labels for one in examples for labels in one.steps]
    flat = [step for labels in steps for step in labels]
    return save(
        {
            "prompts": _joined([one.prompt for one in examples]),
            "prompt_lengths": _counts(len(one.prompt) for one in examples),
            "answers": _joined(answers),
            "answer_lengths": _counts(len(answer) for answer in answers),
            "answer_counts": _counts(len(one.answers) for one in examples),
            "scores": np.array([s for one in examples for s in one.scores], dtype=np.float64),
            "score_counts": _counts(len(one.scores) for one in examples),
            "places": _counts(place for place, _ in flat),
            "labels": np.array([label for _, label in flat], dtype=np.float64),
            "step_counts": _counts(len(labels) for labels in steps),
            "labelled_counts": _counts(len(one.steps) for one in examples),
            "margins": np.array([one.margin for one in examples], dtype=np.float64),
        }
    )


def decoded(data: bytes, where: str) -> list[Example]:
    """What `encoded` was given. Raises RunError for what is no such file."""
    try:
        parts = load(data)
        return list(_examples(parts))
    except (SafetensorError, KeyError, ValueError, StopIteration, RuntimeError) as error:
        raise RunError(
            f"{where} holds no examples of a reward model: {str(error)[:100]}",
            "begin anew in another folder with --run",
        ) from error


def _examples(parts: dict[str, Any]) -> Iterator[Example]:
    prompts = _cut(parts["prompts"], parts["prompt_lengths"])
    answers = iter(_cut(parts["answers"], parts["answer_lengths"]))
    scores = _cut(parts["scores"], parts["score_counts"])
    steps = iter(
        tuple(zip(places.tolist(), labels.tolist(), strict=True))
        for places, labels in zip(
            _cut(parts["places"], parts["step_counts"]),
            _cut(parts["labels"], parts["step_counts"]),
            strict=True,
        )
    )
    counts = zip(
        parts["answer_counts"].tolist(), parts["labelled_counts"].tolist(), parts["margins"].tolist(),
        prompts, scores, strict=True,
    )  # fmt: skip
    for count, labelled, margin, prompt, own in counts:
        yield Example(
            prompt,
            tuple(next(answers) for _ in range(count)),
            tuple(own.tolist()),
            tuple(next(steps) for _ in range(labelled)),
            margin,
        )


def _cut(flat: NDArray[Any], lengths: NDArray[Any]) -> list[NDArray[Any]]:
    ends = np.cumsum(lengths).astype(np.int64)
    if (int(ends[-1]) if len(ends) else 0) != len(flat):
        raise ValueError("its lengths do not add up")
    return np.split(flat, ends[:-1]) if len(ends) else []


def _joined(parts: Sequence[Tokens]) -> Tokens:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int32)


def _counts(numbers: Iterator[int]) -> NDArray[np.int32]:
    return np.fromiter(numbers, dtype=np.int32)
