"""What a process said: read as hostile text, compared as plain data."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, namedtuple
from enum import IntEnum

import pytest

from cohort.rewards.code.nodes import MalformedError, checked, is_true, parsed, same
from cohort.rewards.code.wire import TooMuchError, decode, encode, line_of

VALUES = [None, True, 0, -(10**5000), 1.5, -0.0, math.inf, 1j, "\ud800é", b"\xff", bytearray(b"a")]
VALUES += [[1, [2]], (1, ()), {1, (2, 3)}, frozenset(), {"a": {1: [None]}}, {True: 1.0}, []]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_comes_back_with_its_type(value: object) -> None:
    (node,) = parsed(line_of([encode(value)]))
    back = decode(checked(node))
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    ("expected", "given", "exact", "equal"),
    [
        (1, True, False, False),
        (1, 1.0, False, True),
        (0.0, -0.0, True, True),
        ([1], (1,), False, False),
        ({1}, frozenset({1}), False, True),
        (b"a", bytearray(b"a"), False, True),
        ("a", b"a", False, False),
        (math.nan, math.nan, True, False),
        ({1: 2, 3: 4}, {3: 4, 1: 2}, True, True),
        ({1: [1]}, {1: [True]}, False, True),
        (0.1 + 0.2, 0.3, False, False),
        (2**60 + 1, float(2**60), False, False),
        (1, 1 + 0j, False, True),
        (1j, 1j, True, True),
        (Counter("aab"), {"a": 2, "b": 1}, False, True),
        (OrderedDict(a=1), {"a": 1}, False, True),
        (object(), object(), False, False),
    ],
)
def test_values_are_equal_as_plain_data_are(
    expected: object, given: object, exact: bool, equal: bool
) -> None:
    """`exact` tells what an exact comparison says; the other says what `==` would."""
    as_python = expected == given
    assert same(encode(expected), encode(given), exact=False) is as_python
    if exact or not as_python:
        nan = expected != expected
        assert same(encode(expected), encode(given), exact=True) is (nan or equal)


@pytest.mark.parametrize(
    ("expected", "given"), [(1, True), (1, 1.0), ({1}, frozenset({1})), (1, 1 + 0j)]
)
def test_exactly_another_type_is_another_value(expected: object, given: object) -> None:
    assert same(encode(expected), encode(given), exact=False)
    assert not same(encode(expected), encode(given), exact=True)
    assert not same(encode([expected]), encode([given]), exact=True)


def test_a_tolerance_is_for_floats_where_floats_are_expected() -> None:
    def near(expected: object, given: object) -> bool:
        return same(encode(expected), encode(given), exact=True, tolerance=1e-6)

    assert near([1.0, {"a": 2.0}], [1.0 + 1e-9, {"a": 2.0 - 1e-9}])
    assert near(math.inf, math.inf)
    assert not near(1.0, 1.01)
    assert not near(1.0, math.nan)
    assert not near(1.0, math.inf)
    assert not near(1.0, 1)
    assert not near([1.0], [1.0, 1.0])


def test_what_a_subclass_says_of_itself_does_not_count() -> None:
    class Liar(int):
        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 0

        def __index__(self) -> int:
            return 7

        __int__ = __index__

    class Colour(IntEnum):
        RED = 7

    assert not same(encode(7), encode(Liar(3)), exact=False)
    assert same(encode(3), encode(Liar(3)), exact=False)
    assert not same(encode(3), encode(Liar(3)), exact=True)
    assert same(encode(7), encode(Colour.RED), exact=False)
    pair = namedtuple("pair", "a b")(1, 2)
    assert same(encode((1, 2)), encode(pair), exact=False)


@pytest.mark.parametrize(
    "line",
    [
        b"", b"{}", b"7", b'["a", 1]', b'["a", NaN]', b'["a", {"a": 1}]', b'["a"] ["b"]', b'["\xff"]',
        b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'["a", 1e999]', b'["a", -Infinity]',
    ],
)  # fmt: skip
def test_a_line_that_the_driver_would_not_write_is_refused(line: bytes) -> None:
    with pytest.raises(MalformedError):
        parsed(line)


@pytest.mark.parametrize(
    "node",
    [
        "int", [], ["int"], ["int", "0x1"], ["int", "01"], ["int", "٣"], ["int", "1", "1"], ["bool", "a"],
        ["float", "1.0"], ["float", "Infinity"], ["none", []], ["list", "ab"], ["list", [7]],
        ["dict", [["none"]]], ["sub", "A", ["sub", "B", ["int", "1"]]], ["sub", "A", ["none"]],
        ["bytes", "f"], ["opaque", "A"], ["opaque", "A", "yes"], ["type", "A"], [["int"], "1"],
    ],
    ids=str,
)  # fmt: skip
def test_a_node_of_another_form_is_refused(node: object) -> None:
    with pytest.raises(MalformedError):
        checked(node)


def test_a_node_that_is_too_deep_or_too_large_is_refused_on_both_sides() -> None:
    value: list[object] = []
    node: list[object] = ["list", []]
    for _ in range(100):
        value, node = [value], ["list", [node]]
    for much in (value, [None] * 300_000):
        with pytest.raises(TooMuchError):
            encode(much)
    for said in (node, ["list", [["none"]] * 300_000]):
        with pytest.raises(MalformedError):
            checked(said)


@pytest.mark.parametrize(
    "value", [0, 1, -1, 0.0, 0.5, "", "a", [], [0], None, True, False, 0j, b""]
)
def test_truth_is_that_of_python(value: object) -> None:
    assert is_true(encode(value)) is bool(value)
