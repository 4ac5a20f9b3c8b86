"""Worked-out sums of which it is known which steps are wrong, for the proof `reward_model`."""

from __future__ import annotations

from typing import Any

from cohort.data import keyed
from cohort.tasks.chain import Chain

NUMBERS, LARGEST = 3, 9
STEPS = NUMBERS - 1
PROBLEMS = 500
"""Different ones; each is worked out many times, with other mistakes."""


def ranked(count: int = 12000, seed: int = 1) -> list[dict[str, Any]]:
    """Sums with an answer for each number of wrong steps, from none to all, in this order."""
    rows = []
    for number, problem in enumerate(_problems(count, seed)):
        answers = []
        for wrong in range(STEPS + 1):
            draw = keyed.generator(seed, "ranked", number, wrong)
            chosen = set(draw.choice(STEPS, size=wrong, replace=False).tolist())
            pieces, _ = _worked(problem, chosen, draw)
            answers.append(f"<think>{' '.join(pieces)}</think>")
        rows.append({"prompt": problem, "answers": answers})
    return rows


def stepwise(count: int = 12000, seed: int = 1) -> list[dict[str, Any]]:
    """Sums worked out once, each step wrong three times in ten, with the truth of each."""
    rows = []
    for number, problem in enumerate(_problems(count, seed)):
        draw = keyed.generator(seed, "stepwise", number)
        chosen = {step for step in range(STEPS) if draw.random() < 0.3}
        pieces, labels = _worked(problem, chosen, draw)
        pieces[0] = f"<think>{pieces[0]}"
        rows.append({"prompt": problem, "steps": pieces, "labels": labels})
    return rows


def _problems(count: int, seed: int) -> list[str]:
    chain = Chain(numbers=NUMBERS, largest=LARGEST, held_out_problems=5)
    drawn = chain.batch(seed=seed, purpose="rows", step=1, count=min(count, PROBLEMS))
    return [str(drawn[number % len(drawn)].prompt) for number in range(count)]


def _worked(problem: str, wrong: set[int], draw: Any) -> tuple[list[str], list[bool]]:
    """The steps of a sum, those in `wrong` with another result, from which the next one goes on."""
    terms = problem.removesuffix("=").replace("-", "+-").split("+")
    value, pieces, labels = int(terms[0]), [], []
    for number, term in enumerate(terms[1:]):
        change = int(term)
        result = value + change
        if number in wrong:
            others = [n for n in range(LARGEST + 1) if n != result]
            result = int(others[draw.integers(len(others))])
        pieces.append(f"{value}{change:+d}={result}")
        labels.append(value + change == result)
        value = result
    return pieces, labels
