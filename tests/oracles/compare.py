"""Where two nested values differ: numbers within a tolerance, everything else exactly."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeGuard

from torch import Tensor

BOUND = "_less_than"
"""A key that ends so expects no value but one below it."""


class Difference(NamedTuple):
    key: str
    got: object
    expected: object

    def __str__(self) -> str:
        return f"{self.key}: got {self.got!r}, expected {self.expected!r}"


def differences(
    got: object, expected: object, *, rtol: float, atol: float, key: str = ""
) -> Iterator[Difference]:
    """Every leaf that differs; |got - expected| <= atol + rtol |expected| is the same number."""
    got = got.detach().tolist() if isinstance(got, Tensor) else got
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        for name, value in expected.items():
            found, inner = got.get(name, Missing()), f"{key}.{name}" if key else name
            yield from differences(found, value, rtol=rtol, atol=atol, key=inner)
    elif isinstance(expected, list) and is_list(got) and len(got) == len(expected):
        for index, (left, right) in enumerate(zip(got, expected, strict=True)):
            yield from differences(left, right, rtol=rtol, atol=atol, key=f"{key}[{index}]")
    elif not same_leaf(got, expected, rtol=rtol, atol=atol, bound=key.endswith(BOUND)):
        yield Difference(key, got, expected)


class Missing:
    """What stands for a key that was expected and not computed."""

    def __repr__(self) -> str:
        return "nothing"


def same_leaf(got: object, expected: object, *, rtol: float, atol: float, bound: bool) -> bool:
    if is_number(expected):
        if not is_number(got):
            return False
        if bound:
            return got < expected
        return abs(got - expected) <= atol + rtol * abs(expected)
    return type(got) is type(expected) and got == expected


def is_list(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, (list, tuple))


def is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
