"""Whether two answers are the same: numbers, expressions, sets, tuples, intervals, relations, matrices.

Verdicts are equal, different, and unknown, which means that this file does not decide. The rules that
go beyond arithmetic are written at the functions they belong to; docs/rewards.md lists them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cohort.rewards.math.bounds import NotExactError, UndefinedError
from cohort.rewards.math.exact import exact
from cohort.rewards.math.tree import (
    INFINITY,
    Apply,
    Listed,
    Matrix,
    Name,
    Node,
    Relation,
    everything,
    is_expression,
    parts,
    symbols,
)
from cohort.rewards.math.values import POINTS, Terms, Verdict, same_expression

UNORDERED = ("list", "set", "union")
FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}


STEPS = 5
"""What comparing two nodes counts of the budget, beside the arithmetic."""


def same(gold: Node, answer: Node, terms: Terms) -> Verdict:
    """The verdict on two trees. Raises CostError."""
    return _same(_settled(gold), _settled(answer), terms)


def _same(gold: Node, answer: Node, terms: Terms) -> Verdict:
    terms.budget.spend(STEPS)
    if gold == answer:
        return "equal"
    if isinstance(gold, Relation) and isinstance(answer, Relation):
        return _same_relation(gold, answer, terms)
    gold, answer = _value_of(gold), _value_of(answer)
    if isinstance(gold, Relation) or isinstance(answer, Relation):
        return "unknown"
    if isinstance(gold, Listed) or isinstance(answer, Listed):
        return _same_listed(gold, answer, terms)
    if isinstance(gold, Matrix) and isinstance(answer, Matrix):
        return _same_matrix(gold, answer, terms)
    if is_expression(gold) and is_expression(answer):
        return same_expression(gold, answer, terms)
    return "unknown" if is_expression(gold) == is_expression(answer) else "different"


def _settled(node: Node) -> Node:
    """A tree without plus-minus: the two values that it stands for, as a list."""
    if not is_expression(node):
        if isinstance(node, Listed) and node.kind in UNORDERED:
            items = [_settled(item) for item in node.items]
            flat = [part for i in items for part in (parts(i) if _is_bare(i) else (i,))]
            return replace(node, items=tuple(flat))
        if isinstance(node, Relation) and node.signs == ("=",):
            return replace(node, sides=(node.sides[0], _settled(node.sides[1])))
        return node
    inside = [part.operation for part in everything(node) if isinstance(part, Apply)]
    if "plus_minus" not in inside:
        return node
    return Listed("list", (_with_signs(node, True), _with_signs(node, False)))


def _is_bare(node: Node) -> bool:
    return isinstance(node, Listed) and node.kind == "list"


def _with_signs(node: Node, upper: bool) -> Node:
    """The tree with the upper sign of every plus-minus, or with the lower."""
    if not isinstance(node, Apply):
        return node
    arguments = tuple(_with_signs(argument, upper) for argument in node.arguments)
    if node.operation in ("plus_minus", "minus_plus"):
        negative = (node.operation == "minus_plus") == upper
        return Apply("neg", arguments) if negative else arguments[0]
    return replace(node, arguments=arguments)


# Relations: labels, equations, inequalities.


def _value_of(node: Node) -> Node:
    """What a relation says beside an answer that is none: the value after a label, or an interval.

    `x = 3`, `f(x) = 3`, `AB = 3` and `2 + 1 = 3` are 3; `x \\in S` is S; `1 < x` is an interval.
    """
    if isinstance(node, Listed) and node.kind == "list":
        return replace(node, items=tuple(_value_of(item) for item in node.items))
    if not isinstance(node, Relation):
        return node
    first = node.sides[0]
    if set(node.signs) == {"="} and (_is_label(first) or not symbols(first)):
        return node.sides[-1]
    if node.signs == ("in",) and _is_label(first):
        return node.sides[1]
    interval = _interval(node)
    return node if interval is None else interval[1]


def _is_label(node: Node) -> bool:
    """Whether a side only names what is told: symbols side by side, or one with arguments."""
    if isinstance(node, Name):
        return not node.constant
    if not isinstance(node, Apply) or node.operation != "mul":
        return False
    return isinstance(node.arguments[0], Name) and all(
        isinstance(part, Name) for argument in node.arguments for part in _flat(argument)
    )


def _flat(node: Node) -> Sequence[Node]:
    return node.items if isinstance(node, Listed) else (node,)


def _interval(node: Relation) -> tuple[Node, Listed] | None:
    """The symbol that a chain of inequalities bounds, and the interval; None for another relation."""
    signs, sides = node.signs, node.sides
    if all(sign in (">", ">=") for sign in signs):
        signs = tuple(FLIPPED[sign] for sign in reversed(signs))
        sides = tuple(reversed(sides))
    if not all(sign in ("<", "<=") for sign in signs) or len(sides) > 3:
        return None
    places = [i for i, side in enumerate(sides) if isinstance(side, Name) and not side.constant]
    if len(places) != 1 or (len(sides) == 3 and places != [1]):
        return None
    at = places[0]
    low = sides[at - 1] if at else Apply("neg", (INFINITY,))
    high = sides[at + 1] if at + 1 < len(sides) else INFINITY
    opened = "[" if at and signs[at - 1] == "<=" else "("
    closed = "]" if at + 1 < len(sides) and signs[at] == "<=" else ")"
    return sides[at], Listed(opened + closed, (low, high))


def _same_relation(gold: Relation, answer: Relation, terms: Terms) -> Verdict:
    if set(gold.signs) == set(answer.signs) == {"="}:
        return _same_equation(gold, answer, terms)
    intervals = [_interval(node) for node in (gold, answer)]
    if intervals[0] is not None and intervals[1] is not None:
        (name, first), (other, second) = intervals[0], intervals[1]
        return _same(first, second, terms) if name == other else "unknown"
    flipped = Relation(
        tuple(FLIPPED.get(sign, sign) for sign in reversed(answer.signs)), answer.sides[::-1]
    )
    for turned in (answer, flipped):
        if gold.signs == turned.signs:
            said = _all(gold.sides, turned.sides, terms)
            if said == "equal":
                return said
    return "unknown"


def _same_equation(gold: Relation, answer: Relation, terms: Terms) -> Verdict:
    """Equations of one label are compared by what they say of it, others as wholes.

    As wholes they are equal where left minus right is the other's, times a number that is not zero.
    """
    if _are_proportional(gold, answer, terms):
        return "equal"
    if _breaks(gold, answer, terms) or _breaks(answer, gold, terms):
        return "different"
    labels = [node.sides[0] for node in (gold, answer)]
    if not all(_is_label(label) for label in labels):
        return "unknown"
    values = [node.sides[-1] for node in (gold, answer)]
    if labels[0] == labels[1]:
        return _same(values[0], values[1], terms)
    return "unknown" if symbols(*values) else "different"


def _breaks(solved: Relation, other: Relation, terms: Terms) -> bool:
    """Whether a point where `y = ...` holds is none where the other equation does."""
    name, value = solved.sides[0], solved.sides[-1]
    if not isinstance(name, Name) or name.constant or name.name in symbols(value):
        return False
    if len(solved.sides) != 2 or len(other.sides) != 2:
        return False
    if not set(symbols(other)) <= set(symbols(solved)):
        return False
    try:
        points = dict(terms.points(symbols(value), 0, whole=True))
        points[name.name] = exact(value, points, terms.budget)
        left, right = (exact(side, points, terms.budget) for side in other.sides)
    except (NotExactError, UndefinedError):
        return False
    return left != right


def _are_proportional(gold: Relation, answer: Relation, terms: Terms) -> bool:
    if len(gold.sides) != 2 or len(answer.sides) != 2:
        return False
    differences = [Apply("add", (n.sides[0], Apply("neg", (n.sides[1],)))) for n in (gold, answer)]
    names = symbols(*differences)
    ratios = set()
    try:
        for draw in range(POINTS):
            points = terms.points(names, draw, whole=True)
            above, below = (exact(side, points, terms.budget) for side in differences)
            if not names or above == 0 or below == 0:
                return False
            ratios.add(above / below)
    except (NotExactError, UndefinedError):
        return False
    return len(ratios) == 1


# Several answers.


def _same_listed(gold: Node, answer: Node, terms: Terms) -> Verdict:
    """Sets and lists without order, tuples and intervals in theirs; a list of one is its item.

    A bare list beside a tuple is not decided: the order may or may not count.
    """
    gold, answer = _only_item(gold), _only_item(answer)
    if not isinstance(gold, Listed) or not isinstance(answer, Listed):
        if not isinstance(gold, Listed) and not isinstance(answer, Listed):
            return _same(gold, answer, terms)
        other = answer if isinstance(gold, Listed) else gold
        listed = gold if isinstance(gold, Listed) else answer
        row = isinstance(other, Matrix) or (isinstance(listed, Listed) and listed.kind == "ratio")
        return "unknown" if row else "different"
    if gold.kind in UNORDERED and answer.kind in UNORDERED:
        return _same_unordered(gold, answer, terms)
    if "union" in (gold.kind, answer.kind) or "list" in (gold.kind, answer.kind):
        return "unknown"
    if "ratio" in (gold.kind, answer.kind) and gold.kind != answer.kind:
        return "unknown"
    if len(gold.items) != len(answer.items):
        return "different"
    if gold.kind != answer.kind and (len(gold.items) == 2 or "set" in (gold.kind, answer.kind)):
        return "different"
    said = _all(gold.items, answer.items, terms)
    return "unknown" if gold.kind == "ratio" and said == "different" else said


def _only_item(node: Node) -> Node:
    alone = isinstance(node, Listed) and node.kind in UNORDERED and len(node.items) == 1
    return node.items[0] if alone and isinstance(node, Listed) else node


def _all(gold: Sequence[Node], answer: Sequence[Node], terms: Terms) -> Verdict:
    """The verdict on items in order: one that differs makes the whole different."""
    if len(gold) != len(answer):
        return "different"
    verdict: Verdict = "equal"
    for first, second in zip(gold, answer, strict=True):
        said = _same(first, second, terms)
        if said == "different":
            return said
        verdict = said if said == "unknown" else verdict
    return verdict


def _same_unordered(gold: Listed, answer: Listed, terms: Terms) -> Verdict:
    """Every item of one is in the other, and the other way round; items may be repeated."""
    verdict: Verdict = "equal"
    for items, others in ((gold.items, answer.items), (answer.items, gold.items)):
        if items and not others:
            return "different"
        for item in items:
            said = {_same(item, other, terms) for other in others}
            if "equal" in said:
                continue
            if "unknown" not in said and "union" not in (gold.kind, answer.kind):
                return "different"
            verdict = "unknown"
    return verdict


def _same_matrix(gold: Matrix, answer: Matrix, terms: Terms) -> Verdict:
    if [len(row) for row in gold.rows] != [len(row) for row in answer.rows]:
        return "different"
    return _all(parts(gold), parts(answer), terms)
