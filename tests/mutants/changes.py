"""What can be wrong with a line of mathematics: a sign, a missing `detach`, two things exchanged.

Each kind is a function of a node of the syntax tree that yields what may stand in its place. A
change that no tensor could survive is not made (a mask in the place of the number that it fills
in), nor one that cannot matter (the arguments of a minimum).
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from itertools import pairwise

_PAIRS = [
    ("min", "max"),
    ("minimum", "maximum"),
    ("amin", "amax"),
    ("argmin", "argmax"),
    ("cummin", "cummax"),
]
OPPOSITE = {**dict(_PAIRS), **{there: here for here, there in _PAIRS}}
FLIPPED = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE}
ORDER = {"largest", "descending"}
UNORDERED = {
    "min", "max", "minimum", "maximum", "dot", "add", "mul", "logical_and", "logical_or",
    "isinstance", "range", "zip", "equal", "allclose",
}  # fmt: skip
"""Calls whose first two arguments may stand in either order, or that are no mathematics."""
OF_TWO_KINDS = {
    "masked_fill", "scatter", "scatter_add", "scatter_reduce", "index_add", "index_put", "gather",
    "pad", "full_like", "new_full", "enumerate", "getattr",
}  # fmt: skip
"""Calls whose first two arguments are of different kinds: exchanged they fail for everyone."""
NOT_NUMBERS = {
    "dtype", "device", "dim", "return_inverse", "return_counts", "include_self",
    "reads", "named", "traits",
}  # fmt: skip
"""Keywords whose values are of a kind of their own."""
EVEN = {"square", "abs"}
"""What follows a difference that may stand in either order."""


def changes(node: ast.AST, parent: ast.AST) -> Iterator[tuple[str, ast.AST | None]]:
    """The kind of each change and what stands there then; None where nothing does."""
    for other in signs(node):
        yield "sign", other
    for other in detached(node, parent):
        yield "detach", other
    for other in exchanges(node, parent):
        yield "exchange", other


def signs(node: ast.AST) -> Iterator[ast.AST]:
    """Minus as plus, plus as minus, the other way of a comparison, the other end of an order."""
    match node:
        case ast.UnaryOp(op=ast.USub() | ast.Invert() | ast.Not()):
            yield node.operand
        case ast.BinOp(op=ast.Sub()) | ast.AugAssign(op=ast.Sub()):
            yield _with(node, op=ast.Add())
        case ast.BinOp(op=ast.Add()) | ast.AugAssign(op=ast.Add()) if not _joins(node):
            yield _with(node, op=ast.Sub())
        case ast.Compare():
            yield from _other_way(node)
        case ast.Constant(value=str(text)) if text in OPPOSITE:
            yield ast.Constant(OPPOSITE[text])
        case ast.Call():
            yield from _other_end(node)


def _other_way(node: ast.Compare) -> Iterator[ast.AST]:
    for place, way in enumerate(node.ops):
        if type(way) in FLIPPED:
            ops = [*node.ops[:place], FLIPPED[type(way)](), *node.ops[place + 1 :]]
            yield _with(node, ops=ops)


def _other_end(node: ast.Call) -> Iterator[ast.AST]:
    """min as max, a bound from below as one from above, the largest as the smallest."""
    match node.func:
        case ast.Name(id=name) if name in OPPOSITE:
            yield _with(node, func=ast.Name(OPPOSITE[name]))
        case ast.Attribute(attr=name) if name in OPPOSITE:
            yield _with(node, func=_with(node.func, attr=OPPOSITE[name]))
    bounds = [word for word in node.keywords if word.arg in ("min", "max")]
    for word in node.keywords:
        if word in bounds and len(bounds) == 1:
            yield _with_keyword(node, word, _with(word, arg=OPPOSITE[word.arg]))
        if word.arg in ORDER and isinstance(word.value, ast.Constant):
            turned = ast.Constant(not word.value.value)
            yield _with_keyword(node, word, _with(word, value=turned))


def detached(node: ast.AST, parent: ast.AST) -> Iterator[ast.AST | None]:
    """What was held constant is not: `.detach()` is left out, `no_grad` is not there."""
    match node:
        case ast.Call(func=ast.Attribute(value=inner, attr="detach")):
            yield inner
        case ast.Call(func=ast.Attribute(attr="no_grad") | ast.Name(id="no_grad")):
            decorates = isinstance(parent, ast.FunctionDef)
            yield None if decorates else ast.parse("torch.enable_grad()", mode="eval").body


def exchanges(node: ast.AST, parent: ast.AST) -> Iterator[ast.AST]:
    """Each of two in the place of the other: operands, arguments, the branches of a `where`."""
    match node:
        case ast.BinOp(op=ast.Sub() | ast.Div() | ast.FloorDiv() | ast.Mod() | ast.Pow()):
            even = isinstance(parent, ast.Attribute) and parent.attr in EVEN
            even = even and isinstance(node.op, ast.Sub)
            if not (even or _joins(node) or _same(node.left, node.right)):
                yield _with(node, left=node.right, right=node.left)
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            yield from _exchanged_arguments(node, name)
    yield from _exchanged_entries(node, parent)


def _exchanged_arguments(node: ast.Call, name: str) -> Iterator[ast.AST]:
    first = 1 if name == "where" and len(node.args) == 3 else 0
    pair = node.args[first : first + 2]
    if name not in UNORDERED | OF_TWO_KINDS and _may_be_exchanged(pair):
        args = [*node.args[:first], *reversed(pair), *node.args[first + 2 :]]
        yield _with(node, args=args)
    words = [word for word in node.keywords if word.arg and word.arg not in NOT_NUMBERS]
    for here, there in pairwise(words):
        if _may_be_exchanged([here.value, there.value]):
            half = _with_keyword(node, here, _with(here, value=there.value))
            yield _with_keyword(half, there, _with(there, value=here.value))


def _may_be_exchanged(pair: list[ast.expr]) -> bool:
    """Whether these are two different things of what could be one kind."""
    if len(pair) < 2 or _same(*pair):
        return False
    kept = any(isinstance(one, ast.Starred) or _joins(one) for one in pair)
    return not kept and not any(
        isinstance(one, ast.Constant) and isinstance(one.value, bool | None) for one in pair
    )


def _exchanged_entries(node: ast.AST, parent: ast.AST) -> Iterator[ast.AST]:
    """Arguments that are kept as names: the first two of a tuple, the values of a table's first two."""
    match node, parent:
        case ast.Tuple(elts=[*names]), ast.Call() | ast.Assign():
            if len(names) > 1 and all(map(_is_name, names[:2])) and not _same(*names[:2]):
                yield _with(node, elts=[names[1], names[0], *names[2:]])
        case ast.Dict(keys=[ast.Constant(), ast.Constant(), *_], values=[here, there, *more]), _:
            if not _same(here, there) and not (_is_prose(here) and _is_prose(there)):
                yield _with(node, values=[there, here, *more])


def _is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and str(node.value).isidentifier()


def _is_prose(node: ast.AST) -> bool:
    """A text for people, or a call that is given nothing else."""
    if isinstance(node, ast.Call):
        return not node.keywords and all(map(_is_prose, node.args))
    return _joins(node) and not _is_name(node)


def _same(one: ast.AST, other: ast.AST) -> bool:
    return ast.dump(one) == ast.dump(other)


def _joins(node: ast.AST | None) -> bool:
    """Whether it is a text or a collection, or puts some together."""
    match node:
        case ast.BinOp():
            return _joins(node.left) or _joins(node.right)
        case ast.AugAssign():
            return _joins(node.value)
        case ast.IfExp():
            return _joins(node.body) or _joins(node.orelse)
        case ast.Constant():
            return isinstance(node.value, str)
    return isinstance(
        node, ast.JoinedStr | ast.List | ast.Tuple | ast.Dict | ast.Set | ast.ListComp
    )


def _with(node: ast.AST, **fields: object) -> ast.AST:
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def _with_keyword(node: ast.Call, word: ast.keyword, other: ast.AST) -> ast.Call:
    return _with(node, keywords=[other if each is word else each for each in node.keywords])
