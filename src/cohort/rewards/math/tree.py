"""What an answer is once it is read: a tree of a few kinds of nodes, and no other.

The operations are a closed list; a node is data, and evaluating it is a look-up in a table. The
arithmetic is in `exact` (rational numbers) and `rounded` (many digits).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

Operation = Literal[
    "add", "mul", "div", "neg", "pow", "root", "abs", "factorial", "binom", "floor", "ceil",
    "plus_minus", "minus_plus", "percent", "degree", "log", "exp", "sin", "cos", "tan", "cot", "sec",
    "csc", "asin", "acos", "atan", "sinh", "cosh", "tanh",
]  # fmt: skip
"""root has the arguments (radicand, degree), log (number, base), where `\\ln` has base e."""

ANGLES = ("sin", "cos", "tan", "cot", "sec", "csc")
"""Operations whose argument is an angle: a degree sign inside them always means pi/180."""


@dataclass(frozen=True, slots=True)
class Number:
    """A rational number as written; `places` after the decimal point, None where there is none."""

    value: Fraction
    places: int | None = None
    base: int | None = None


@dataclass(frozen=True, slots=True)
class Name:
    """A constant (pi, e, i, infinity) or a free symbol, with its subscript."""

    name: str

    @property
    def constant(self) -> bool:
        """Whether it stands for a number."""
        return self.name in ("pi", "e", "i", "infinity")


@dataclass(frozen=True, slots=True)
class Apply:
    """An operation and what it is applied to."""

    operation: Operation
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """Several answers together.

    kind: "list" for bare commas, "set" for braces, "union", "ratio", or the two brackets of a tuple
    or an interval, such as "(]".
    """

    kind: str
    items: tuple[Node, ...]

    @property
    def ordered(self) -> bool:
        """Whether the places of the items count."""
        return self.kind not in ("list", "set", "union")


@dataclass(frozen=True, slots=True)
class Relation:
    """Sides with a sign between each two: `=`, `<`, `<=`, `>`, `>=`, `!=` or `in`."""

    signs: tuple[str, ...]
    sides: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of equal length."""

    rows: tuple[tuple[Node, ...], ...]


Node = Number | Name | Apply | Listed | Relation | Matrix

INFINITY = Name("infinity")


def parts(node: Node) -> tuple[Node, ...]:
    """The nodes directly inside a node."""
    if isinstance(node, Apply):
        return node.arguments
    if isinstance(node, Listed):
        return node.items
    if isinstance(node, Relation):
        return node.sides
    if isinstance(node, Matrix):
        return tuple(item for row in node.rows for item in row)
    return ()


def everything(node: Node) -> Iterator[Node]:
    """The node and all nodes inside it."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(parts(node))


def symbols(*nodes: Node) -> tuple[str, ...]:
    """The free symbols in some trees, in the order of the alphabet."""
    inside = (part for node in nodes for part in everything(node))
    return tuple(sorted({p.name for p in inside if isinstance(p, Name) and not p.constant}))


def is_expression(node: Node) -> bool:
    """Whether a tree is arithmetic alone: no lists, relations or matrices in it."""
    return all(isinstance(part, (Number, Name, Apply)) for part in everything(node))
