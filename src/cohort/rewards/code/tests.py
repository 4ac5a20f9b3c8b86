"""The tests of a problem, as its column `tests` gives them.

    [{"args": [2], "kwargs": {}, "expected": 4}, ...]       calls of the entry point
    [{"input": "2\\n", "output": "4\\n"}, ...]               whole programs: what is read, and printed
    ["assert f(2) == 4", ...] or one text of them            asserts; also a text with `def check(candidate)`
    {"tests": any of these, ...}                             with the keys of `Tests` beside it

A call may say `"exact_types": false` and `"tolerance": 1e-6`, and leaves `expected` out where the tests
have a `reference`. An assert compares as `==` does; a call exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from cohort.rewards.code.asserts import from_source
from cohort.rewards.code.cases import Call, Case, Expected, Spoken, Unreadable
from cohort.rewards.code.wire import TooMuchError, encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Tests:
    """What is known of a problem beside the candidate.

    before: source that comes before the candidate's, and before a check: imports, given functions.
    setup: source that makes inputs, run in the candidate's process after it was loaded.
    reference, generator: sources of a right program, and of `generate(seed)`, which returns a list of
    arguments; both are run in a sandbox of their own. extra: how many such inputs are tried.
    exact_types, tolerance: for calls that say nothing of their own.
    fresh_process: a process for each test, where answers may depend on what was asked before.
    """

    cases: tuple[Case, ...] = ()
    entry_point: str = ""
    before: str = ""
    setup: str = ""
    reference: str = ""
    generator: str = ""
    extra: int = 20
    exact_types: bool = True
    tolerance: float = 0.0
    fresh_process: bool = False


_KEYS = {field.name: field.type for field in fields(Tests) if field.name != "cases"}


def read_tests(column: Any, *, entry_point: str = "", before: str = "") -> Tests:
    """The tests of a column. Raises Unreadable, which says what is wrong with it."""
    given: dict[str, Any] = {}
    if isinstance(column, Mapping):
        given = {str(key): value for key, value in column.items()}
        column = given.pop("tests", [])
    given = {"entry_point": entry_point, "before": before, **given}
    for key, value in given.items():
        if key not in _KEYS:
            raise Unreadable(f"tests have no key {key!r}; they have tests, {', '.join(_KEYS)}")
        if type(value).__name__ != _KEYS[key]:
            raise Unreadable(f"{key} of the tests is {type(value).__name__}, not {_KEYS[key]}")
    tests = Tests(cases=tuple(_cases(column, **given)), **given)
    if not tests.cases and not (tests.generator and tests.reference):
        raise Unreadable("there are no tests")
    if (tests.generator or tests.reference) and not tests.entry_point:
        raise Unreadable("a reference needs an entry_point")
    return tests


def _cases(column: Any, *, entry_point: str, **more: Any) -> list[Case]:
    if isinstance(column, str):
        return from_source(column, entry_point)
    if not isinstance(column, (list, tuple)):
        raise Unreadable(f"tests are {type(column).__name__}, not a list, a text or a table")
    cases: list[Case] = []
    for number, test in enumerate(column):
        if isinstance(test, str):
            cases += from_source(test, entry_point)
        elif not isinstance(test, Mapping):
            raise Unreadable(f"test {number} is {type(test).__name__}")
        elif "input" in test or "output" in test:
            cases.append(_spoken(test, number))
        else:
            cases.append(_call(test, number, entry_point, bool(more.get("reference"))))
    if len({isinstance(case, Spoken) for case in cases}) > 1:
        raise Unreadable("some tests call a function and some read and print: one kind is needed")
    return cases


def _call(test: Mapping[str, Any], number: int, entry_point: str, known: bool) -> Call:
    unknown = set(test) - {"args", "kwargs", "expected", "exact_types", "tolerance"}
    if unknown:
        raise Unreadable(f"test {number} has no key {min(unknown)!r}")
    if not entry_point:
        raise Unreadable(f"test {number} calls a function, and entry_point does not name it")
    if "expected" not in test and not known:
        raise Unreadable(f"test {number} expects nothing, and there is no reference")
    try:
        return Call(
            name=entry_point,
            arguments=encode(list(test.get("args", ()))),
            keywords=encode(dict(test.get("kwargs") or {})),
            expected=Expected(
                node=encode(test["expected"]) if "expected" in test else None,
                exact=bool(test.get("exact_types", True)),
                tolerance=float(test.get("tolerance", 0.0)),
            ),
        )
    except (TypeError, ValueError, TooMuchError) as error:
        raise Unreadable(f"test {number}: {type(error).__name__} {error}") from error


def _spoken(test: Mapping[str, Any], number: int) -> Spoken:
    unknown = set(test) - {"input", "output", "tolerance"}
    if unknown:
        raise Unreadable(f"test {number} has no key {min(unknown)!r}")
    if not isinstance(test.get("input"), str) or not isinstance(test.get("output"), str):
        raise Unreadable(f"test {number} needs an input and an output, both text")
    return Spoken(test["input"], test["output"], float(test.get("tolerance", 0.0)))
