"""Whether an expression reaches a target with given numbers, decided without running anything.

Python's parser reads the expression, after length and characters are known to be harmless; a walk
over the tree adds, subtracts, multiplies and divides exact fractions. Only these four operations
and parentheses exist: no powers, no `//`, no signs, no names, no decimals, no leading zeros.
Nothing here ever calls `eval`, and the cost of any text is bounded.
"""

from __future__ import annotations

import ast
import operator
import re
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction

LONGEST_EXPRESSION = 200
"""Characters; six numbers of six digits with all their parentheses need fewer than 80."""

LONGEST_NUMBER = 6
"""Digits of one number."""

DEEPEST = 20
"""Operations inside one another; six numbers need five."""

_HARMLESS = re.compile(r"[0-9+\-*/() ]+")
_REFUSED_NUMBER = re.compile(rf"(?<![0-9])0[0-9]|[0-9]{{{LONGEST_NUMBER + 1}}}")

_OPERATIONS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def reaches(expression: str, numbers: Sequence[int], target: int) -> bool:
    """Whether the expression is well formed, uses each number exactly once, and is the target."""
    read = evaluate(expression)
    if read is None:
        return False
    value, used = read
    return value == target and Counter(used) == Counter(numbers)


def evaluate(expression: str) -> tuple[Fraction, list[int]] | None:
    """The exact value and the numbers used, in order; None for what is not an expression.

    None also for a division by zero and for what is longer or deeper than the bounds.
    """
    text = " ".join(expression.split()) if len(expression) <= LONGEST_EXPRESSION else ""
    if not _HARMLESS.fullmatch(text) or _REFUSED_NUMBER.search(text):
        return None
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, MemoryError, RecursionError):  # too many parentheses for the parser
        return None
    used: list[int] = []
    try:
        return _value(tree.body, used, 0), used
    except (ValueError, ZeroDivisionError):
        return None


def _value(node: ast.expr, used: list[int], depth: int) -> Fraction:
    if depth > DEEPEST:
        raise ValueError("too deep")
    if isinstance(node, ast.Constant) and type(node.value) is int:
        used.append(node.value)
        return Fraction(node.value)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        left = _value(node.left, used, depth + 1)
        right = _value(node.right, used, depth + 1)
        return _OPERATIONS[type(node.op)](left, right)
    raise ValueError(type(node).__name__)
