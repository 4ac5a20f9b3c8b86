"""Policies beside one another: majority@k, categories, the best by what is right and not by reward."""

from __future__ import annotations

import json
from itertools import product

import pytest

from cohort.data.store import Answer
from cohort.report.measured import Measured, best, describe, majority_at_k, table, told
from cohort.report.statistics import pass_at_k

RIGHT = {"a": True, "b": False, "c": False}


def answers(*verdicts: list[bool], reward: float = 1.0) -> list[Answer]:
    """Problems p0, p1...; the greedy answer is as the first sampled one."""
    return [
        Answer(f"p{p}", s, "question", f"answer {own[max(s - 1, 0)]}", reward, own[max(s - 1, 0)])
        for p, own in enumerate(verdicts)
        for s in range(len(own) + 1)
    ]


def measured(label: str, *verdicts: list[bool], reward: float = 1.0, **more: object) -> Measured:
    classes = {f"p{p}": [0 if right else 1 for right in own] for p, own in enumerate(verdicts)}
    given = answers(*verdicts, reward=reward)
    return Measured(label, given, len(verdicts[0]), **({"classes": classes} | more))  # type: ignore[arg-type]


def test_a_majority_of_blocks_is_the_expected_majority_of_k() -> None:
    # Of all 2-letter answers with these chances, by enumeration: P(majority of 2 is right).
    letters = ["a", "a", "b"]
    expected = sum(RIGHT[one] for one, _ in product(letters, letters)) / 9  # a tie takes the first
    seen = [
        majority_at_k([RIGHT[x] for x in own], [letters.index(x) for x in own], 2)
        for own in product(letters, repeat=4)
    ]
    assert sum(seen) / len(seen) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("classes", "right", "vote"),
    [
        ([0, 1, 1, 2], [True, False, False, True], 0.0),
        ([0, 1, 1, 0], [True, False, False, True], 1.0),
        ([None, None, None, 3], [False, False, False, True], 1.0),
        ([None] * 4, [True] * 4, 0.0),
    ],
)
def test_the_most_frequent_final_answer_is_taken_of_equals_the_first(
    classes: list[int | None], right: list[bool], vote: float
) -> None:
    assert majority_at_k(right, classes, 4) == vote


def test_a_description_has_pass_and_majority_at_every_power_with_intervals() -> None:
    own = [[True, False, False, False], [False, True, True, True], [False] * 4]
    found = describe(measured("one", *own))
    assert list(found["pass_at"]) == list(found["majority_at"]) == ["1", "2", "4"]
    assert found["pass_at"]["2"] == pytest.approx(
        sum(pass_at_k(4, sum(verdicts), 2) for verdicts in own) / 3
    )
    assert found["majority_at"]["4"]["share"] == pytest.approx(1 / 3)
    for low, high in found["pass_at_interval"].values():
        assert 0.0 <= low <= high <= 1.0


def test_without_final_answers_there_is_no_vote() -> None:
    nobody = {"p0": [None, None], "p1": [None, None]}
    found = describe(measured("one", [True, True], [False, True], classes=nobody))
    assert found["majority_at"] is None


def test_the_best_is_right_most_often_whatever_its_reward() -> None:
    honest = measured("honest", [True, True], [True, False], reward=0.1)
    hacked = measured("hacked", [False, False], [True, False], reward=9.0)
    found = told([hacked, honest])
    assert found["best"] == "honest"
    assert found["policies"][1]["against_first"]["gain"] == pytest.approx(0.5)
    assert found["policies"][0]["against_first"] is None
    json.dumps(found, allow_nan=False)


def test_of_equals_the_first_is_the_best_and_of_nobody_judged_none() -> None:
    assert best([{"pass_at_1": 0.5}, {"pass_at_1": 0.5}, {"pass_at_1": 0.2}]) == 0
    assert best([{"pass_at_1": None, "greedy": 0.1}, {"pass_at_1": 0.0}]) == 0
    assert best([{"pass_at_1": None, "greedy": None}]) is None


def test_categories_are_told_apart_and_cover_all_problems() -> None:
    kinds = {"p0": "easy", "p1": "hard", "p2": "easy"}
    one = measured("one", [True, True], [False, False], [True, False], categories=kinds)
    found = describe(one)["categories"]
    assert {name: own["problems"] for name, own in found.items()} == {"easy": 2, "hard": 1}
    assert (found["easy"]["pass_at_1"], found["hard"]["pass_at_1"]) == (0.75, 0.0)
    rows = table(told([one]))
    assert [row[0] for row in rows] == ["policy", "one *", "  easy", "  hard"]
    assert len({len(row) for row in rows}) == 1
