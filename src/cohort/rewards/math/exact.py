"""Rational arithmetic on a tree: the exact value where there is one, and no work beyond the bounds.

The size of a power, a factorial and a binomial coefficient is known before it is computed, from the
values below it, which are within the bounds themselves; so towers and nested powers stop at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction

from cohort.rewards.math.bounds import (
    MOST_BITS,
    Budget,
    CostError,
    NotExactError,
    UndefinedError,
)
from cohort.rewards.math.tree import Apply, Name, Node, Number

LARGEST_FACTORIAL = 500
LARGEST_DEGREE = 64
"""Of a root that is taken exactly."""

Points = Mapping[str, Fraction]
"""What the free symbols stand for."""


def exact(node: Node, points: Points, budget: Budget) -> Fraction:
    """The rational value of an expression. Raises NotExactError, UndefinedError or CostError."""
    budget.spend()
    if isinstance(node, Number):
        return node.value
    if isinstance(node, Name):
        if node.name not in points:
            raise NotExactError(node.name)
        return points[node.name]
    if not isinstance(node, Apply) or node.operation not in _RULES:
        raise NotExactError(type(node).__name__)
    values = [exact(argument, points, budget) for argument in node.arguments]
    value = _bounded(_RULES[node.operation](*values))
    # Fractions are reduced, which takes time as the square of their length.
    budget.spend(len(values) * (_bits(value) // 1000) ** 2)
    return value


def _bounded(value: Fraction) -> Fraction:
    if _bits(value) > MOST_BITS:
        raise CostError(f"a number of more than {MOST_BITS} bits")
    return value


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _sum(*values: Fraction) -> Fraction:
    total = Fraction(0)
    for value in values:
        total = _bounded(total + value)
    return total


def _multiplied(*values: Fraction) -> Fraction:
    product = Fraction(1)
    for value in values:
        product = _bounded(product * value)
    return product


def _divided(above: Fraction, below: Fraction) -> Fraction:
    if below == 0:
        raise UndefinedError("a division by zero")
    return above / below


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator > 1:
        return _power(_root(base, Fraction(exponent.denominator)), Fraction(exponent.numerator))
    if base == 0 and exponent <= 0:
        raise UndefinedError("zero to a power that is not positive")
    if base in (0, 1):
        return base if exponent else Fraction(1)
    if base == -1:
        return Fraction(-1 if exponent % 2 else 1)
    # Of |base| with b bits the power has at least (b - 1) * exponent bits.
    if (_bits(base) - 1) * abs(exponent) > MOST_BITS or abs(exponent) > MOST_BITS:
        raise CostError(f"a power of more than {MOST_BITS} bits")
    return base ** int(exponent)


def _root(radicand: Fraction, degree: Fraction) -> Fraction:
    """The root that is rational; an odd one of a negative number is the negative one."""
    if degree.denominator > 1 or not 1 <= degree <= LARGEST_DEGREE:
        raise NotExactError("root")
    n = int(degree)
    if radicand < 0:
        if n % 2 == 0:
            raise NotExactError("an even root of a negative number")
        return -_root(-radicand, degree)
    above, below = (_integer_root(k, n) for k in (radicand.numerator, radicand.denominator))
    return Fraction(above, below)


def _integer_root(k: int, n: int) -> int:
    """The n-th root of a perfect power, by Newton's method. Raises NotExactError for another number."""
    if k < 2 or n == 1:
        return k
    root = 1 << -(-k.bit_length() // n)  # not below the root; from there the steps only go down
    while (lower := ((n - 1) * root + k // root ** (n - 1)) // n) < root:
        root = lower
    if root**n != k:
        raise NotExactError("root")
    return root


def _factorial(n: Fraction) -> Fraction:
    if n.denominator > 1 or n < 0:
        raise UndefinedError("a factorial of what is no natural number")
    if n > LARGEST_FACTORIAL:
        raise CostError(f"a factorial of more than {LARGEST_FACTORIAL}")
    return Fraction(math.factorial(int(n)))


def _binomial(n: Fraction, k: Fraction) -> Fraction:
    if n.denominator > 1 or k.denominator > 1 or n < 0 or k < 0:
        raise NotExactError("binomial")
    if min(k, n - k) > LARGEST_FACTORIAL or _bits(n) > 64:
        raise CostError(f"a binomial coefficient of more than {LARGEST_FACTORIAL}")
    return Fraction(math.comb(int(n), int(k)))


_RULES: dict[str, Callable[..., Fraction]] = {
    "add": _sum,
    "mul": _multiplied,
    "div": _divided,
    "neg": lambda value: -value,
    "pow": _power,
    "root": _root,
    "abs": abs,
    "factorial": _factorial,
    "binom": _binomial,
    "floor": lambda value: Fraction(math.floor(value)),
    "ceil": lambda value: Fraction(math.ceil(value)),
    "percent": lambda value: value / 100,
}
