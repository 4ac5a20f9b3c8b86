"""Asserts read, not run: what calls the candidate with literals becomes a question and an expected value.

`assert f(2) == 4`, `assert 4 == f(2)`, `assert f(2) is None`, `assert f(2)` and `assert not f(2)` are
translated, alone or as the body of `def check(candidate)`. Arguments that are no literals are made in
the candidate's process: they are inputs, whatever it makes of them. Whatever else a test does (loops,
other functions, inexact comparisons) stays code, and is run as a `Check` in a sandbox without the
candidate. `assert True` tests nothing and is left out.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterable

from cohort.rewards.code.cases import Call, Case, Check, Expected, Expression, Unreadable
from cohort.rewards.code.wire import TooMuchError, encode

CHECK, CANDIDATE = "check", "candidate"


def from_source(source: str, entry_point: str) -> list[Case]:
    """The cases of a text of asserts, or of a text that defines `check(candidate)`."""
    try:
        body = ast.parse(source.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Unreadable(f"the tests are no Python: {error}") from error
    function = next((n for n in body if isinstance(n, ast.FunctionDef) and n.name == CHECK), None)
    if function is None:
        return _from_statements(body, source, entry_point)
    if not entry_point:
        raise Unreadable("check(candidate) needs an entry_point")
    alias = function.args.args[0].arg if function.args.args else CANDIDATE
    own = [s for s in function.body if not _tests_nothing(s)]
    cases = [_translated(s, alias, entry_point) for s in own]
    if all(case is not None for case in cases):
        return [case for case in cases if case is not None]
    return [_check(ast.parse(source), source, CHECK, entry_point)]


def _from_statements(body: list[ast.stmt], source: str, entry_point: str) -> list[Case]:
    body = [s for s in body if not _tests_nothing(s)]
    if not all(isinstance(s, ast.Assert) for s in body):
        return [_check(ast.parse(source.strip()), source.strip(), "", entry_point)]
    cases: list[Case] = []
    for statement in body:
        case = _translated(statement, "", entry_point)
        text = ast.unparse(statement)
        cases.append(case or _check(ast.parse(text), text, "", entry_point))
    return cases


def _tests_nothing(statement: ast.stmt) -> bool:
    """A docstring, a bare name, or an assert of a constant that is true."""
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, (ast.Constant, ast.Name))
    holds = isinstance(statement, ast.Assert) and isinstance(statement.test, ast.Constant)
    return isinstance(statement, ast.Pass) or (holds and bool(statement.test.value))  # type: ignore[attr-defined]


def _translated(statement: ast.stmt, alias: str, entry_point: str) -> Call | Expression | None:
    """One assert as a question; None for what has to stay code."""
    if not isinstance(statement, ast.Assert):
        return None
    call, expected = _sides(statement.test)
    if call is None or expected is None:
        return None
    if not isinstance(call.func, ast.Name) or (alias and call.func.id != alias):
        return None
    name = entry_point if alias else call.func.id
    plain = not any(isinstance(a, ast.Starred) for a in call.args)
    if plain and all(keyword.arg for keyword in call.keywords):
        try:
            arguments = encode([ast.literal_eval(a) for a in call.args])
            keywords = encode({str(k.arg): ast.literal_eval(k.value) for k in call.keywords})
            return Call(name, arguments, keywords, expected)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, TooMuchError):
            pass  # an argument that is no literal
    if alias or hasattr(builtins, name):  # with literals a call of Python's own would test nothing
        return None
    return Expression(ast.unparse(call), expected)


def _sides(test: ast.expr) -> tuple[ast.Call | None, Expected | None]:
    """The call of an assert's condition, and what it is held to."""
    if isinstance(test, ast.Call):
        return test, Expected(truth=True)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inside = test.operand
        return (inside, Expected(truth=False)) if isinstance(inside, ast.Call) else (None, None)
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return None, None
    left, right = test.left, test.comparators[0]
    if not isinstance(left, ast.Call):
        left, right = right, left
    if not isinstance(left, ast.Call) or not isinstance(test.ops[0], (ast.Eq, ast.Is)):
        return None, None
    try:
        value = ast.literal_eval(right)
        is_exact = isinstance(test.ops[0], ast.Is)
        if is_exact and value not in (None, True, False):
            return None, None
        return left, Expected(encode(value), exact=is_exact)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, TooMuchError):
        return None, None


def _check(tree: ast.Module, source: str, call: str, entry_point: str) -> Check:
    """A test that stays code, with the names in it that are the candidate's."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    bound = {name.id for name in names if not isinstance(name.ctx, ast.Load)} | _bound(tree)
    free = {n.id for n in names} - bound - set(dir(builtins))
    modules = {
        node.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    modules &= free & sys.stdlib_module_names
    called = {n.func.id for n in ast.walk(tree) if _is_named_call(n)}  # type: ignore[attr-defined]
    if call:
        stand_ins = {entry_point: entry_point}
    else:
        stand_ins = {name: name for name in (called & free) - modules}
        if CANDIDATE in stand_ins and entry_point:
            stand_ins[CANDIDATE] = entry_point
    return Check(source, call, tuple(sorted(stand_ins.items())), tuple(sorted(modules)))


def _is_named_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def _bound(tree: ast.Module) -> set[str]:
    """The names that functions, classes, imports and parameters of a test give."""
    bound: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            bound |= _imported(node.names)
    return bound


def _imported(names: Iterable[ast.alias]) -> set[str]:
    return {(name.asname or name.name).partition(".")[0] for name in names}
