"""Which answers say nothing."""

import pytest

from cohort.rewards.judge.trivial import is_trivial
from tests.rewards.judge.attacks import MASTER_KEYS

ANSWERS = [
    "7",
    "∅",
    "x",
    "是",
    "The solution is 42.",
    "-1",
    "∞",
    "Solution: salt water",
    "e",
    "No.",
    "None",
    "OK",
]


@pytest.mark.parametrize("answer", [key for key in MASTER_KEYS if "<think>" not in key])
def test_a_master_key_says_nothing(answer: str) -> None:
    assert is_trivial(answer)


@pytest.mark.parametrize("answer", ANSWERS)
def test_the_shortest_answers_say_something(answer: str) -> None:
    assert not is_trivial(answer)


def test_the_reference_word_for_word_says_something() -> None:
    assert not is_trivial("Solution.", reference="solution")
    assert is_trivial("Solution.", reference="emulsion")
    assert is_trivial("...", reference="...")
