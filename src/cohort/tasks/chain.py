"""The task "chain": sums such as `2+3-1+3+6=`, R1 in miniature.

Its demonstrations answer in two honest styles, some sums worked out step by step, most answered
directly. One step is a fact that a small model learns by heart (some 500 of them); the whole sum
in one go asks for all steps within one forward pass, which it cannot do. So of sampled answers the
worked-out ones are right more often, and a reward for right answers alone brings the thinking out.
Nothing in the rewards knows about thinking: `works_out` exists to be measured, with weight 0.

    prompt          2+3-1+3+6=
    worked out      <think>2+3=5 5-1=4 4+3=7 7+6=13</think><answer>13</answer>
    direct          <think></think><answer>13</answer>
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import final

import numpy as np

from cohort.data import keyed
from cohort.data.records import Demonstration, Problem
from cohort.rewards.reading import (
    CLOSE_ANSWER,
    CLOSE_THINK,
    OPEN_ANSWER,
    OPEN_THINK,
    Text,
    final_answer,
    text_of,
    texts,
    think_section,
)
from cohort.tasks.generated import Drawn, share, whole

LARGEST_OPERAND = 9

_TERM = re.compile(r"[+-]?[0-9]+")
_STEP = re.compile(r"([0-9]{1,6})([+-])([0-9]{1,6})=([0-9]{1,6})")


@final
class Chain(Drawn):
    """Sums and differences of one-digit numbers whose intermediate results stay in 0..largest.

    numbers: how many numbers a sum has. largest: the largest whole number that occurs.
    worked_share: the share of the demonstrations that work the sum out.
    """

    name = "chain"

    def __init__(
        self,
        *,
        numbers: int = 6,
        largest: int = 19,
        worked_share: float = 0.45,
        held_out_problems: int = 200,
    ) -> None:
        self.numbers = whole("chain", "numbers", numbers, 2, 20)
        self.largest = whole("chain", "largest", largest, LARGEST_OPERAND, 99)
        self.worked_share = share("chain", "worked_share", worked_share)
        self.rewards: Mapping[str, Callable[..., object]] = {
            "correct": correct,
            "works_out": works_out,
            "right_steps": right_steps,
        }
        super().__init__(held_out_problems)

    def demonstrations(self, *, seed: int, step: int, count: int) -> list[Demonstration]:
        """The demonstrations of a step; which of them are worked out follows from the key too."""
        problems = self.batch(seed=seed, purpose="demonstrations", step=step, count=count)
        styles = keyed.uniforms(count, seed, "chain", "style", step)
        return [
            Demonstration(problem, self._completion(problem, style < self.worked_share))
            for problem, style in zip(problems, styles, strict=True)
        ]

    def vocabulary(self) -> list[str]:
        """Whole numbers and tags as single pieces, then the other characters."""
        numbers = [str(number) for number in range(self.largest + 1)]
        return [*numbers, OPEN_THINK, CLOSE_THINK, OPEN_ANSWER, CLOSE_ANSWER, "+", "-", "=", " "]

    def _draw(self, generator: np.random.Generator) -> Problem:
        """A sum; every next operation is uniform among those that stay within 0..largest."""
        value = int(generator.integers(1, LARGEST_OPERAND + 1))
        terms = str(value)
        for _ in range(self.numbers - 1):
            down, up = min(LARGEST_OPERAND, value), min(LARGEST_OPERAND, self.largest - value)
            change = int(generator.integers(-down, up))
            change += change >= 0
            value += change
            terms += f"{change:+d}"
        return Problem(f"chain:{terms}", f"{terms}=", {"answer": str(value)})

    def _completion(self, problem: Problem, worked: bool) -> str:
        thought = " ".join(_steps(str(problem.prompt))) if worked else ""
        answer = problem.columns["answer"]
        return f"{OPEN_THINK}{thought}{CLOSE_THINK}{OPEN_ANSWER}{answer}{CLOSE_ANSWER}"


def correct(
    *,
    completions: Sequence[Text],
    answer: Sequence[object],
    prompts: Sequence[Text] | None = None,
    **_: object,
) -> list[float]:
    """1.0 where the completion ends with its only `<answer>…</answer>` and that is the sum."""
    given = [final_answer(text) for text in texts(prompts, completions)]
    return [float(g == str(gold)) for g, gold in zip(given, answer, strict=True)]


def works_out(
    *, completions: Sequence[Text], prompts: Sequence[Text] | None = None, **_: object
) -> list[float]:
    """1.0 where the think section is a right chain of steps, else 0.0; meant for weight 0.

    A right chain is one or more steps `a+b=c` or `a-b=c`, separated by whitespace and nothing
    else, every one of them true and beginning with the result of the one before. It need not be
    the chain of this sum, nor lead to the answer. See `has_steps` for the mere attempt.
    """
    return [float(_is_right_chain(text)) for text in texts(prompts, completions)]


def right_steps(
    *, completions: Sequence[Text], prompts: Sequence[Text] | None = None, **_: object
) -> list[list[tuple[int, float]]]:
    """A reward for each step of the think section: 1.0 for a right one, else 0.0.

    A step is what stands between spaces; it is right if it is `a+b=c` or `a-b=c`, true, and begins
    with the result of the one before. An answer that does not think has no steps.
    """
    # A prompt that opened <think> is no part of the answer, and its end is not counted.
    return [
        [(end - len(text) + len(text_of(own)), value) for end, value in _judged_steps(text)]
        for text, own in zip(texts(prompts, completions), completions, strict=True)
    ]


def has_steps(completion: str) -> bool:
    """Whether a completion writes any step: its think section, closed, has an `=` in it."""
    return "=" in (think_section(completion) or "")


def _steps(prompt: str) -> list[str]:
    """`2+3-1=` as `["2+3=5", "5-1=4"]`."""
    first, *changes = _TERM.findall(prompt)
    value, steps = int(first), []
    for change in changes:
        steps.append(f"{value}{change}={value + int(change)}")
        value += int(change)
    return steps


def _judged_steps(text: str) -> list[tuple[int, float]]:
    thought = think_section(text) or ""
    start = text.find(OPEN_THINK) + len(OPEN_THINK)
    before, judged = None, []
    for piece in re.finditer(r"\S+", thought):
        match = _STEP.fullmatch(piece.group())
        right = match is not None and int(match[1]) + int(match[2] + match[3]) == int(match[4])
        judged.append((start + piece.end(), float(right and before in (None, match and match[1]))))
        before = match[4] if match else ""
    return judged


def _is_right_chain(text: str) -> bool:
    matches = [_STEP.fullmatch(step) for step in (think_section(text) or "").split()]
    before = None
    for match in matches:
        if match is None:
            return False
        left, sign, right, result = match.groups()
        true = int(left) + int(sign + right) == int(result)
        if not true or before not in (None, left):
            return False
        before = result
    return bool(matches)
