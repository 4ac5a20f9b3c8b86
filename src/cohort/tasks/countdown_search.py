"""Searching Countdown: the moves, an exhaustive solver, and the traces that demonstrations show.

A position is the numbers (with the expressions they came from) that are left. A move takes two of
them and puts back what one operation makes of them. Traces only have moves among whole numbers
from 1 to `largest`, so that every fact in them can be learnt; `solve` has exact fractions and all.

    4 7 2 : 10    a trace:  7+4=11,2:10 11+2=13 11-2=9 11*2=22 7*2=14,4:10 14+4=18 14-4=10
                            `7+4=11,2:10`: 11 and 2 are left for 10. With two left every move is
                            tried in turn, until one makes the target; else the next attempt begins
                            anew. The target is said again where results are compared with it: a
                            small model that has to look it up in the prompt stops at wrong ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations

import numpy as np

Number = tuple[int, str]
"""A whole number and the expression it came from."""

Attempt = tuple[list[str], Number]
"""The tries of an attempt as written, and the last number made."""


def moves(high: Number, low: Number, largest: int) -> Iterator[tuple[str, Number]]:
    """What two numbers make, larger first: each try as written, and the number with its expression.

    Results from 1 to `largest` only. Dividing by 1 is left out: it makes what multiplying does.
    """
    if high[0] < low[0]:
        high, low = low, high
    (a, left), (b, right) = high, low
    results = [("+", a + b), ("-", a - b), ("*", a * b)]
    if b > 1 and a % b == 0:
        results.append(("/", a // b))
    for sign, result in results:
        if 1 <= result <= largest:
            yield f"{a}{sign}{b}={result}", (result, f"({left}{sign}{right})")


def attempt(
    numbers: Sequence[int], target: int | None, largest: int, generator: np.random.Generator
) -> Attempt | None:
    """Moves drawn at random until two numbers are left, then every move of these in turn.

    It stops at the first move that makes the target. Without a target one of the results of the
    last two numbers is drawn to be it: that is how an instance is made, together with its solution.
    None where two numbers allow no move.
    """
    left: list[Number] = [(number, str(number)) for number in numbers]
    tries: list[str] = []
    while len(left) > 2:
        i, j = sorted(int(k) for k in generator.choice(len(left), 2, replace=False))
        possible = list(moves(left[i], left[j], largest))
        if not possible:
            return None
        text, made = possible[int(generator.integers(len(possible)))]
        left = [made] + [number for k, number in enumerate(left) if k not in (i, j)]
        tries.append(",".join([text, *(str(value) for value, _ in left[1:])]))
    ends = list(moves(left[0], left[1], largest))
    if not ends:
        return None
    if target is None:
        target = ends[int(generator.integers(len(ends)))][1][0]
    tries[-1] += f":{target}"
    for text, made in ends:
        tries.append(text)
        if made[0] == target:
            break
    return tries, made


def bare(expression: str) -> str:
    """An expression without the parentheses around all of it."""
    return expression[1:-1]


def solve(numbers: Sequence[int], target: int) -> str | None:
    """An expression that uses each number once and is the target, or None when there is none.

    Exhaustive over exact fractions, so None is a proof. Three or four numbers take milliseconds,
    six may take a minute.
    """
    found = _solve([(Fraction(n), str(n)) for n in numbers], Fraction(target), set())
    return None if found is None else bare(found) if found.startswith("(") else found


def _solve(
    left: list[tuple[Fraction, str]], target: Fraction, hopeless: set[tuple[Fraction, ...]]
) -> str | None:
    if len(left) == 1:
        return left[0][1] if left[0][0] == target else None
    position = tuple(sorted(value for value, _ in left))
    if position in hopeless:
        return None
    for i, j in combinations(range(len(left)), 2):
        others = [number for k, number in enumerate(left) if k not in (i, j)]
        for made in _all_moves(left[i], left[j]):
            found = _solve([made, *others], target, hopeless)
            if found is not None:
                return found
    hopeless.add(position)
    return None


def _all_moves(
    one: tuple[Fraction, str], other: tuple[Fraction, str]
) -> Iterator[tuple[Fraction, str]]:
    (a, left), (b, right) = one, other
    yield a + b, f"({left}+{right})"
    yield a - b, f"({left}-{right})"
    yield b - a, f"({right}-{left})"
    yield a * b, f"({left}*{right})"
    if b:
        yield a / b, f"({left}/{right})"
    if a:
        yield b / a, f"({right}/{left})"
