"""The task "countdown": reach a target from a few numbers, each used once, with + - * /.

Every instance is made by combining its numbers at random, so that the expression which made it
proves it solvable. Demonstrations are honest: some show a search with failed attempts before the
one that reaches the target, the others the bare expression. A model that imitates them searches
briefly and often in vain; a reward for success alone pays for searching on, and searching right.

    prompt          4 7 2 : 10
    search          <think>7+4=11,2:10 11+2=13 11-2=9 11*2=22 7*2=14,4:10 14+4=18 14-4=10</think>
                    <answer>(7*2)-4</answer>, without the line break
    direct          <think></think><answer>(7*2)-4</answer>

Instances with the same numbers in another order are one problem: the id sorts them, and the split
into training and held-out problems goes by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import final

import numpy as np

from cohort.data import keyed
from cohort.data.records import Demonstration, Problem
from cohort.errors import DataError
from cohort.rewards.reading import (
    CLOSE_ANSWER,
    CLOSE_THINK,
    OPEN_ANSWER,
    OPEN_THINK,
    Text,
    final_answer,
    texts,
)
from cohort.tasks.countdown_answer import reaches
from cohort.tasks.countdown_search import Attempt, attempt, bare
from cohort.tasks.generated import Drawn, share, whole

TRIES_TO_FAIL = 20
"""Attempts drawn to find failing ones; an instance that is too easy to fail shows fewer."""


@final
class Countdown(Drawn):
    """Countdown with whole numbers from 1 to `largest` in prompts and traces.

    numbers: how many numbers, or a list of such counts to draw from; 3 to 6.
    largest_number: the largest number given. largest: the largest target and intermediate result.
    search_share: the share of the demonstrations that show a search.
    failed_attempts: the most failed attempts that such a search shows.
    """

    name = "countdown"

    def __init__(
        self,
        *,
        numbers: int | Sequence[int] = (3,),
        largest_number: int = 20,
        largest: int = 50,
        search_share: float = 0.7,
        failed_attempts: int = 2,
        held_out_problems: int = 200,
    ) -> None:
        self.numbers = _counts(numbers)
        self.largest_number = whole("countdown", "largest_number", largest_number, 5, 999)
        self.largest = whole("countdown", "largest", largest, self.largest_number, 9999)
        self.search_share = share("countdown", "search_share", search_share)
        self.failed_attempts = whole("countdown", "failed_attempts", failed_attempts, 0, 20)
        self.rewards: Mapping[str, Callable[..., object]] = {"correct": correct}
        super().__init__(held_out_problems)

    def demonstrations(self, *, seed: int, step: int, count: int) -> list[Demonstration]:
        """The demonstrations of a step; style and search follow from the key too."""
        problems = self.batch(seed=seed, purpose="demonstrations", step=step, count=count)
        generators = [keyed.generator(seed, "countdown", "trace", step, i) for i in range(count)]
        return [
            Demonstration(problem, self._completion(problem, generator))
            for problem, generator in zip(problems, generators, strict=True)
        ]

    def vocabulary(self) -> list[str]:
        """Whole numbers and tags as single pieces, then the other characters."""
        numbers = [str(number) for number in range(self.largest + 1)]
        tags = [OPEN_THINK, CLOSE_THINK, OPEN_ANSWER, CLOSE_ANSWER]
        return [*numbers, *tags, "+", "-", "*", "/", "=", ":", "(", ")", ",", " "]

    def _draw(self, generator: np.random.Generator) -> Problem:
        """Numbers and, by combining them at random, a target that they reach."""
        while True:
            count = self.numbers[int(generator.integers(len(self.numbers)))]
            numbers = [int(n) for n in generator.integers(1, self.largest_number + 1, count)]
            made = attempt(numbers, None, self.largest, generator)
            if made is not None and made[1][0] not in numbers:
                return _problem(numbers, made)

    def _completion(self, problem: Problem, generator: np.random.Generator) -> str:
        """A search that ends with the problem's solution, or that solution directly."""
        numbers, target = _instance(problem)
        searches: list[str] = []
        if generator.random() < self.search_share:
            wanted = int(generator.integers(self.failed_attempts + 1))
            for _ in range(TRIES_TO_FAIL):
                made = attempt(numbers, target, self.largest, generator)
                failed = made is not None and made[1][0] != target
                if len(searches) < wanted and made is not None and failed:
                    searches = list(dict.fromkeys([*searches, " ".join(made[0])]))
            searches.append(str(problem.columns["solution_trace"]))
        thought, answer = " ".join(searches), problem.columns["solution"]
        return f"{OPEN_THINK}{thought}{CLOSE_THINK}{OPEN_ANSWER}{answer}{CLOSE_ANSWER}"


def correct(
    *,
    completions: Sequence[Text],
    numbers: Sequence[Sequence[int]],
    target: Sequence[int],
    prompts: Sequence[Text] | None = None,
    **_: object,
) -> list[float]:
    """1.0 where the completion ends with its only `<answer>…</answer>` and that solves the problem.

    The expression must use each number exactly once and be exactly the target; anything else,
    well-formed or not, is 0.0.
    """
    given = [final_answer(text) for text in texts(prompts, completions)]
    return [
        float(expression is not None and reaches(expression, own, aim))
        for expression, own, aim in zip(given, numbers, target, strict=True)
    ]


def _problem(numbers: Sequence[int], made: Attempt) -> Problem:
    tries, (target, expression) = made
    given, in_order = (" ".join(map(str, some)) for some in (numbers, sorted(numbers)))
    return Problem(
        id=f"countdown:{in_order}={target}",
        prompt=f"{given} : {target}",
        columns={
            "numbers": list(numbers),
            "target": target,
            "solution": bare(expression),
            "solution_trace": " ".join(tries),
        },
    )


def _instance(problem: Problem) -> tuple[list[int], int]:
    numbers, target = problem.columns["numbers"], problem.columns["target"]
    assert isinstance(numbers, list), problem
    assert isinstance(target, int), problem
    return numbers, target


def _counts(numbers: object) -> tuple[int, ...]:
    """How many numbers an instance may have, from the option `numbers`."""
    listed = list(numbers) if isinstance(numbers, (list, tuple)) else [numbers]
    if not listed:
        raise DataError("countdown: numbers is an empty list", "use a count, or [3, 4]")
    return tuple(whole("countdown", "numbers", number, 3, 6) for number in listed)
