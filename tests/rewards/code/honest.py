"""Right programs by template: a family of tasks, each with its solutions and inputs, to reach a number.

A variant differs from its siblings in a constant, in how it is written, or in how it is told its input (a
function, or a whole program that reads and prints). What is expected is counted here, by the plain
expression, not by the program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Solved = tuple[str, str, object, str]
"""A name, a program, its tests, and its entry point."""

FUNCTIONS: dict[str, tuple[str, Callable[[list[int], int], Any]]] = {
    "multiples": ("[n for n in numbers if n % K == 0]", lambda n, k: [x for x in n if x % k == 0]),
    "scaled": ("tuple(n * K for n in numbers)", lambda n, k: tuple(x * k for x in n)),
    "shares": ("[n / K for n in numbers]", lambda n, k: [x / k for x in n]),
    "remainders": ("{n: n % K for n in numbers}", lambda n, k: {x: x % k for x in n}),
    "classes": ("{n % K for n in numbers}", lambda n, k: {x % k for x in n}),
    "above": ("any(n > K for n in numbers)", lambda n, k: any(x > k for x in n)),
    "power": ("sum(numbers) ** K", lambda n, k: sum(n) ** k),
    "text": ("str(K).join(map(str, numbers))", lambda n, k: str(k).join(map(str, n))),
    "bytes": ("bytes(n % 256 for n in numbers) * K", lambda n, k: bytes(x % 256 for x in n) * k),
    "nothing": (
        "None if len(numbers) < K else list(numbers)",
        lambda n, k: None if len(n) < k else n,
    ),
    "nested": ("[[n] * (K % 3) for n in numbers]", lambda n, k: [[x] * (k % 3) for x in n]),
    "complex": ("complex(sum(numbers), K)", lambda n, k: complex(sum(n), k)),
}
INPUTS = ([], [3], [1, 2, 3, 4, 5, 6], [10, -7, 10, 0], list(range(40)))

WRAPPED = (
    "def solve(numbers):\n    return {}\n",
    "solve = lambda numbers: {}\n",
    "import sys\nprint('loading')\ndef solve(numbers):\n    print(numbers)\n    return {}\n",
    "class Made:\n    def made(self, numbers):\n        return {}\nsolve = Made().made\n",
    "def solve(numbers):\n    try:\n        return {}\n    finally:\n        numbers.clear()\n",
)
SPOKEN = """
import sys
numbers = [int(word) for word in sys.stdin.read().split()]
print({})
"""


def functions() -> Iterator[Solved]:
    """For each constant and each way to write it, the functions."""
    for k in range(1, 40):
        for name, (expression, count) in FUNCTIONS.items():
            source = WRAPPED[k % len(WRAPPED)].format(expression.replace("K", str(k)))
            tests = [{"args": [list(n)], "expected": count(list(n), k)} for n in INPUTS]
            yield f"{name} {k}", source, tests, "solve"


def spoken() -> Iterator[Solved]:
    """The same as whole programs, for those that print one line."""
    for k in range(1, 40):
        for name in ("multiples", "shares", "above", "power", "complex"):
            expression, count = FUNCTIONS[name]
            tests = [
                {"input": " ".join(map(str, n)) + "\n", "output": f"{count(list(n), k)}  \n\n"}
                for n in INPUTS
            ]
            yield f"{name} {k}, spoken", SPOKEN.format(expression.replace("K", str(k))), tests, ""
