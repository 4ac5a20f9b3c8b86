"""Which answers a scorer of reasoning-gym is given that evaluates them as Python.

The sandbox keeps an evaluated text from doing harm; this keeps it from naming its own score. Nine
tasks call `eval` or sympy's `parse_expr`, which is `eval`, on the answer. What they need is lists of
numbers and letters, and expressions; a text that could do more is no answer to them.
"""

from __future__ import annotations

import re

LONGEST_ANSWER = 20_000
"""Characters; no task has a longer answer."""

LISTS = frozenset({"binary_matrix", "n_queens", "spiral_matrix", "string_insertion"})
"""Tasks that evaluate a list; nothing is called in one."""

EXPRESSIONS = frozenset(
    {
        "countdown",
        "intermediate_integration",
        "polynomial_multiplication",
        "puzzle24",
        "simple_integration",
    }
)
"""Tasks that evaluate an expression; in it only functions of mathematics are called."""

MATHEMATICS = frozenset(
    {"abs", "Abs", "sin", "cos", "tan", "sec", "csc", "cot", "asin", "acos", "atan", "sinh", "cosh"}
    | {"tanh", "asinh", "acosh", "atanh", "exp", "log", "ln", "sqrt", "erf", "Rational", "Integer"}
)

_CALLED = re.compile(r"([^\W\d]\w{0,60})?\s{0,20}\(")
_DOTTED = re.compile(r"\.\s{0,20}[^\W\d]|__|[^\W\d]\s{0,20}\.")
_CALLED_AGAIN = re.compile(r"\)\s{0,20}\(")
_STRANGE = frozenset("\"'`\\;:=@{}!&|<>#%$?~[]")


def may_be_evaluated(answer: str, task: str) -> bool:
    """Whether a task's scorer is asked about this answer; other tasks than the nine always are."""
    if len(answer) > LONGEST_ANSWER:
        return False
    if task in LISTS:
        return "(" not in answer and not _DOTTED.search(answer)
    if task not in EXPRESSIONS:
        return True
    called = {name for name in _CALLED.findall(answer) if name}
    return (
        called <= MATHEMATICS
        and not _STRANGE & set(answer)
        and not _DOTTED.search(answer)
        and not _CALLED_AGAIN.search(answer)
    )
