"""Whether two expressions are equal: by rational arithmetic, else by many digits, at keyed points.

Where no symbols are free, the values are compared. Where some are, the expressions are compared at
points that are a function of both texts, so that no answer can be made for the points. Two different
polynomials of degree d agree at such a point with a chance of d in ten thousand, and POINTS are taken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from cohort.rewards.math.bounds import Budget, NotExactError, UndefinedError
from cohort.rewards.math.exact import Points, exact
from cohort.rewards.math.tree import INFINITY, Apply, Name, Node, Number, everything, symbols

Verdict = Literal["equal", "different", "unknown"]

POINTS, MOST_DRAWS = 5, 12
"""Points that both expressions must be defined at, and how many are tried."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a comparison is made under.

    key: both texts, which the points are drawn from. places: so many decimals a rounded number needs.
    """

    key: str
    places: int
    budget: Budget

    def points(self, names: Sequence[str], draw: int, *, whole: bool) -> Points:
        """The draw's point: integers up to ten thousand, or else fractions between 1/4 and 3.

        The first draws are positive, where roots and logarithms are real; later ones have both signs.
        """
        return {name: self._coordinate(name, draw, whole) for name in names}

    def _coordinate(self, name: str, draw: int, whole: bool) -> Fraction:
        text = f"{len(self.key)}:{self.key}:{name}:{draw}"
        seed = int.from_bytes(
            hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little"
        )
        sign = -1 if draw > POINTS // 2 and seed % 2 else 1
        if whole:
            return Fraction(sign * (2 + (seed >> 1) % 9_999))
        return sign * (Fraction((seed >> 1) % 2**20, 2**20) * Fraction(11, 4) + Fraction(1, 4))


def same_expression(gold: Node, answer: Node, terms: Terms) -> Verdict:
    """The verdict on two trees of arithmetic. Raises CostError."""
    if gold == answer:
        return "equal"
    if INFINITY in (*everything(gold), *everything(answer)):
        return _same_infinity(gold, answer)
    if isinstance(gold, Number) and isinstance(answer, Number) and gold.base != answer.base:
        return _same_numeral(gold, answer)
    verdict: Verdict = "unknown"
    for first, second in _readings(gold, answer):
        said = _same(first, second, terms)
        if said == "equal":
            return said
        verdict = said if verdict == "unknown" else verdict
    return verdict


def _same_infinity(gold: Node, answer: Node) -> Verdict:
    signs = [_sign_of_infinity(node) for node in (gold, answer)]
    if 0 not in signs:
        return "equal" if signs[0] == signs[1] else "different"
    finite = gold if signs[0] == 0 else answer
    return "unknown" if INFINITY in everything(finite) else "different"


def _sign_of_infinity(node: Node) -> int:
    if isinstance(node, Apply) and node.operation == "neg":
        return -_sign_of_infinity(node.arguments[0])
    return int(node == INFINITY)


def _same_numeral(gold: Number, answer: Number) -> Verdict:
    """Numerals with different bases are different; with the base of one left out, the digits count."""
    if gold.base and answer.base:
        return "unknown"
    return "equal" if gold.value == answer.value else "different"


def _readings(gold: Node, answer: Node) -> list[tuple[Node, Node]]:
    """The pairs that are compared: a percent or degree sign may be left out on one side."""
    pairs = [(gold, answer)]
    bare = [_without_sign(node) for node in (gold, answer)]
    if bare[0] is not None and bare[1] is not None:
        return pairs
    if bare[0] is not None:
        pairs.append((bare[0], answer))
    if bare[1] is not None:
        pairs.append((gold, bare[1]))
    return pairs


def _without_sign(node: Node) -> Node | None:
    """What stands before the percent or degree sign that ends an expression; None without one."""
    if not isinstance(node, Apply):
        return None
    if node.operation in ("percent", "degree"):
        return node.arguments[0]
    last = _without_sign(node.arguments[-1])
    if last is None or node.operation not in ("neg", "mul"):
        return None
    return replace(node, arguments=(*node.arguments[:-1], last))


def _same(gold: Node, answer: Node, terms: Terms) -> Verdict:
    names = symbols(gold, answer)
    try:
        return _same_exactly(gold, answer, names, terms)
    except NotExactError:
        pass
    try:
        return _same_rounded(gold, answer, names, terms)
    except NotExactError:
        return "unknown"


def _same_exactly(gold: Node, answer: Node, names: Sequence[str], terms: Terms) -> Verdict:
    if not names:
        return _same_constants(gold, answer, terms)
    defined = 0
    for draw in range(MOST_DRAWS):
        points = terms.points(names, draw, whole=True)
        try:
            values = [exact(node, points, terms.budget) for node in (gold, answer)]
        except UndefinedError:
            continue
        if values[0] != values[1]:
            return "different"
        defined += 1
        if defined == POINTS:
            return "equal"
    return "unknown"


def _same_constants(gold: Node, answer: Node, terms: Terms) -> Verdict:
    try:
        first = exact(gold, {}, terms.budget)
    except UndefinedError:
        return "unknown"
    try:
        second = exact(answer, {}, terms.budget)
    except UndefinedError:
        return "different"
    if first == second:
        return "equal"
    if _is_decimal(gold) and _is_decimal(answer):
        return "different"
    rounded = _is_rounded_from(gold, second, terms) or _is_rounded_from(answer, first, terms)
    return "equal" if rounded else "different"


def _is_decimal(node: Node) -> bool:
    if isinstance(node, Apply) and node.operation == "neg":
        return _is_decimal(node.arguments[0])
    return isinstance(node, Number) and node.places is not None


def _is_rounded_from(node: Node, value: Fraction, terms: Terms) -> bool:
    """Whether a written decimal is a value, rounded to or cut off after its own last place."""
    if isinstance(node, Apply) and node.operation == "neg":
        return _is_rounded_from(node.arguments[0], -value, terms)
    if not isinstance(node, Number) or node.places is None:
        return False
    if not 0 < terms.places <= node.places:
        return False
    unit = Fraction(1, 10**node.places)
    off = abs(node.value - value)
    cut = abs(node.value) <= abs(value) and node.value * value >= 0 and off < unit
    return cut or off <= unit / 2


def _same_rounded(gold: Node, answer: Node, names: Sequence[str], terms: Terms) -> Verdict:
    from cohort.rewards.math import rounded  # mpmath is loaded where digits are needed

    if not names:
        return _same_rounded_constants(gold, answer, terms)
    imaginary = Name("i") in (*everything(gold), *everything(answer))
    defined, verdict = 0, "equal"
    for draw in range(MOST_DRAWS):
        points = terms.points(names, draw, whole=False)
        try:
            same = rounded.same_value(gold, answer, points, terms.budget)
            real = imaginary or all(
                rounded.is_real(node, points, terms.budget) for node in (gold, answer)
            )
        except UndefinedError:
            continue
        if same is False and real:
            return "different"
        verdict = verdict if same else "unknown"
        defined += 1
        if defined == POINTS:
            return "equal" if verdict == "equal" else "unknown"
    return "unknown"


def _same_rounded_constants(gold: Node, answer: Node, terms: Terms) -> Verdict:
    from cohort.rewards.math import rounded

    try:
        same = rounded.same_value(gold, answer, {}, terms.budget)
    except UndefinedError:
        return "unknown"
    if same is not False:
        return "equal" if same else "unknown"
    for decimal, other in ((gold, answer), (answer, gold)):
        value = rounded.fraction_of(other, terms.budget)
        if value is not None and _is_rounded_from(decimal, value, terms):
            return "equal"
    return "different"
