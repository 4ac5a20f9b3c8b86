"""Arithmetic with many digits on a tree, for what is no rational number: roots, pi, sines.

Every value is computed twice, with DIGITS and with MORE_DIGITS; what the two differ by is how far the
result can be trusted, whatever was cancelled on the way. Exponents are bounded before a power or an
exponential is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath

from cohort.rewards.math.bounds import (
    MOST_MAGNITUDE,
    Budget,
    CostError,
    NotExactError,
    UndefinedError,
)
from cohort.rewards.math.exact import Points, exact
from cohort.rewards.math.tree import ANGLES, Apply, Name, Node, Number

DIGITS, MORE_DIGITS = 60, 90
SAME = mpmath.mpf(10) ** -50
"""Two values that differ by less than this, relative to the larger, are one."""

EXACT_ALONE = ("factorial", "binom")
"""Operations that have a rule for rational numbers only."""

STEPS = 10
"""What a rounded step counts of the budget."""

LARGEST_ARGUMENT = {"sinh": 10**5, "cosh": 10**5, "tanh": 10**5, **dict.fromkeys(ANGLES, 10**9)}
"""Of a function whose cost grows with its argument."""


def same_value(gold: Node, answer: Node, points: Points, budget: Budget) -> bool | None:
    """Whether two expressions have the same value at a point; None where the digits do not tell.

    Raises UndefinedError where one has no value there, NotExactError for what has no rule.
    """
    rough, fine = (
        [_value(node, points, digits, budget) for node in (gold, answer)]
        for digits in (DIGITS, MORE_DIGITS)
    )
    with mpmath.workdps(MORE_DIGITS):
        difference = abs(fine[0] - fine[1])
        scale = max(abs(value) for value in fine)
        trusted = max(abs(r - f) for r, f in zip(rough, fine, strict=True))
        if difference > 10**6 * trusted and difference > SAME * scale:
            return False
        settled = trusted <= SAME * max(scale, 1)
        return True if settled and difference <= SAME * max(scale, 1) else None


def is_real(node: Node, points: Points, budget: Budget) -> bool:
    """Whether the value of an expression at a point has no imaginary part."""
    with mpmath.workdps(DIGITS):
        value = _value(node, points, DIGITS, budget)
        return bool(abs(mpmath.im(value)) <= SAME * max(abs(value), 1))


def fraction_of(node: Node, budget: Budget) -> Fraction | None:
    """A real constant as a fraction with DIGITS digits; None for another."""
    value = _value(node, {}, DIGITS, budget)
    with mpmath.workdps(DIGITS):
        if abs(mpmath.im(value)) > SAME or not -4000 < mpmath.mag(value) < 4000:
            return None
        whole = int(mpmath.floor(mpmath.re(value) * mpmath.mpf(10) ** 50))
    return Fraction(whole, 10**50)


def _value(node: Node, points: Points, digits: int, budget: Budget) -> Any:
    with mpmath.workdps(digits):
        return _rounded(node, points, budget)


def _rounded(node: Node, points: Points, budget: Budget) -> Any:
    budget.spend(STEPS)
    if isinstance(node, Number):
        return _of(node.value)
    if isinstance(node, Name):
        return _named(node.name, points)
    if isinstance(node, Apply) and node.operation in EXACT_ALONE:
        return _of(exact(node, points, budget))
    if not isinstance(node, Apply) or node.operation not in _RULES:
        raise NotExactError(type(node).__name__)
    arguments = [_rounded(argument, points, budget) for argument in node.arguments]
    if abs(arguments[0]) > LARGEST_ARGUMENT.get(node.operation, mpmath.inf):
        raise CostError(f"the {node.operation} of a large number")
    try:
        return _bounded(_RULES[node.operation](*arguments))
    except (ZeroDivisionError, ValueError, OverflowError) as error:  # what mpmath says of a pole
        raise UndefinedError(f"{node.operation}: {error}") from error


def _named(name: str, points: Points) -> Any:
    if name in points:
        return _of(points[name])
    if name not in _CONSTANTS:
        raise NotExactError(name)
    return _CONSTANTS[name]()


def _of(value: Fraction) -> Any:
    return mpmath.mpf(value.numerator) / value.denominator


def _bounded(value: Any) -> Any:
    if not mpmath.isfinite(value):
        raise UndefinedError("a value that is not finite")
    if value != 0 and abs(mpmath.mag(value)) > MOST_MAGNITUDE:
        raise CostError(f"a magnitude of more than {MOST_MAGNITUDE}")
    return value


def _power(base: Any, exponent: Any) -> Any:
    if base == 0:
        if exponent == 0 or mpmath.re(exponent) < 0:
            raise UndefinedError("zero to a power that is not positive")
        return base
    if abs(exponent) > MOST_MAGNITUDE or abs(mpmath.mag(base) * exponent) > MOST_MAGNITUDE:
        raise CostError(f"a power of magnitude over {MOST_MAGNITUDE}")
    return mpmath.power(base, exponent)


def _root(radicand: Any, degree: Any) -> Any:
    """The principal root; an odd one of a negative number is the negative one."""
    if degree == 0:
        raise UndefinedError("a root of degree zero")
    real = mpmath.im(radicand) == 0 and mpmath.im(degree) == 0
    if real and mpmath.re(radicand) < 0 and mpmath.isint(degree) and degree % 2 == 1:
        return -_power(-radicand, 1 / degree)
    return _power(radicand, 1 / degree)


def _exponential(value: Any) -> Any:
    if abs(value) > MOST_MAGNITUDE:
        raise CostError(f"an exponential of more than {MOST_MAGNITUDE}")
    return mpmath.exp(value)


def _logarithm(value: Any, base: Any) -> Any:
    return mpmath.log(value) / mpmath.log(base)


def _floor(value: Any) -> Any:
    nearest = mpmath.nint(value)
    if abs(value - nearest) < SAME:  # rounding cannot tell on which side of an integer it lies
        return nearest
    return mpmath.floor(value)


_CONSTANTS: dict[str, Callable[[], Any]] = {
    "pi": lambda: +mpmath.pi,
    "e": lambda: +mpmath.e,
    "i": lambda: mpmath.mpc(0, 1),
}
_RULES: dict[str, Callable[..., Any]] = {
    "add": lambda *values: mpmath.fsum(values),
    "mul": lambda *values: mpmath.fprod(values),
    "div": lambda above, below: above / below,
    "neg": lambda value: -value,
    "pow": _power,
    "root": _root,
    "abs": abs,
    "floor": _floor,
    "ceil": lambda value: -_floor(-value),
    "percent": lambda value: value / 100,
    "degree": lambda value: value * mpmath.pi / 180,
    "log": _logarithm,
    "exp": _exponential,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "tan": mpmath.tan,
    "cot": mpmath.cot,
    "sec": mpmath.sec,
    "csc": mpmath.csc,
    "asin": mpmath.asin,
    "acos": mpmath.acos,
    "atan": mpmath.atan,
    "sinh": mpmath.sinh,
    "cosh": mpmath.cosh,
    "tanh": mpmath.tanh,
}
