"""The mutants of a file: its source with one change, each with a name that says where and what.

The file is read as a syntax tree and written from it, so a mutant has neither comments nor layout.
Annotations, asserts, the texts of messages and the number of an axis are left alone.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.mutants.changes import changes

LEFT_ALONE = (ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom)
OVER_AN_AXIS = {"sum", "mean", "prod", "amax", "amin", "cumsum", "softmax", "log_softmax"}
"""Methods whose first argument is the number of an axis."""
LONGEST = 120
ANNOTATIONS = {"annotation", "returns", "type_params"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file."""

    file: str
    line: int
    what: str
    """Function, kind and change; with the file a name that outlives changes in other lines."""
    source: str

    @property
    def name(self) -> str:
        """As in the table of equivalent ones: without the line."""
        return f"{self.file} {self.what}"

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.what}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node hangs in the tree."""

    parent: ast.AST
    field: str
    index: int | None
    scope: str
    """The names of the class and the function around it, with points between them."""

    @property
    def node(self) -> ast.AST:
        value = getattr(self.parent, self.field)
        return value if self.index is None else value[self.index]

    def put(self, node: ast.AST | None) -> None:
        """Another node in this place; None takes it out of its list."""
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            found = list(getattr(self.parent, self.field))
            found[self.index : self.index + 1] = [] if node is None else [node]
            setattr(self.parent, self.field, found)


def plain(source: str) -> str:
    """The source as a mutant would have it if nothing were changed."""
    return ast.unparse(ast.parse(source))


def mutants(file: str, source: str) -> list[Mutant]:
    """All mutants of a file's source, in the order of its text."""
    tree = ast.parse(source)
    found, count = [], Counter[str]()
    for place in sorted(places(tree), key=lambda place: place.node.lineno):
        node, before = place.node, ast.unparse(place.node)
        for kind, other in list(changes(node, place.parent)):
            after = "nothing" if other is None else ast.unparse(other)
            told = " -> ".join(shortened(before, after))
            what = f"{place.scope}: {kind} {told}".removeprefix(": ")
            count[what] += 1
            what += f" ({count[what]})" if count[what] > 1 else ""
            found.append(Mutant(file, node.lineno, what, _planted(tree, place, other)))
    return found


def shortened(before: str, after: str) -> tuple[str, str]:
    """Long texts around where they differ."""
    if max(len(before), len(after)) <= LONGEST:
        return before, after
    pairs = enumerate(zip(before, after, strict=False))
    same = next((place for place, (one, other) in pairs if one != other), 0)
    start = max(0, same - LONGEST // 4)
    told = (text[start:] for text in (before, after))
    cut = [text[:LONGEST] + "..." * (len(text) > LONGEST) for text in told]
    dots = "..." * (start > 0)
    return dots + cut[0], dots + cut[1]


def _planted(tree: ast.Module, place: Place, other: ast.AST | None) -> str:
    kept = getattr(place.parent, place.field)
    place.put(other)
    source = ast.unparse(tree)
    setattr(place.parent, place.field, kept)
    return source


def places(parent: ast.AST, scope: str = "") -> Iterator[Place]:
    """Every place of the tree that has a line and is not left alone."""
    if isinstance(parent, ast.FunctionDef | ast.ClassDef):
        scope = f"{scope}.{parent.name}" if scope else parent.name
    for field, value in ast.iter_fields(parent):
        if field in ANNOTATIONS:
            continue
        several = isinstance(value, list)
        for index, node in enumerate(value if several else [value]):
            if isinstance(node, ast.AST) and not _is_left_alone(node, parent):
                if hasattr(node, "lineno"):
                    yield Place(parent, field, index if several else None, scope)
                yield from places(node, scope)


def _is_left_alone(node: ast.AST, parent: ast.AST) -> bool:
    match node, parent:
        case ast.keyword(arg="dim"), _:
            return True
        case _, ast.Call(func=ast.Attribute(attr=name)) if node in parent.args[:1]:
            return name in OVER_AN_AXIS
    return isinstance(node, LEFT_ALONE)
