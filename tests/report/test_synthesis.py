"""What is said of rules that took answers: shares, where they differ, and when all were wrong."""

from __future__ import annotations

import pytest

from cohort.report.synthesis import Taken, columns_of, differing_of, summarize_synthesis


def taken(rollouts: list[bool], classes: list[int], majority: int | None, synthesis: bool | None):
    right = rollouts if synthesis is None else [*rollouts, synthesis]
    place = None if synthesis is None else len(rollouts)
    picks = {"majority": majority, "self-chosen": None, "synthesis": place}
    return Taken(rollouts, right, classes, picks)


SOME = [
    taken([True, True, False], [0, 0, 1, 0], 0, True),
    taken([False, False, True], [0, 0, 1, 1], 0, True),
    taken([False, False, False], [0, 0, 1, 2], 0, True),
    taken([False, False, True], [0, 0, 1], 0, None),
]


def test_every_rule_has_its_share_and_nothing_taken_is_wrong() -> None:
    rules = summarize_synthesis(SOME)["rules"]
    assert rules["single"]["right"] == pytest.approx(4 / 12)
    assert rules["majority"]["right"] == 0.25
    assert (rules["synthesis"]["right"], rules["synthesis"]["abstained"]) == (0.75, 1)
    assert (rules["self-chosen"]["right"], rules["self-chosen"]["abstained"]) == (0.0, 4)
    low, high = rules["synthesis"]["interval"]
    assert low < 0.75 < high


def test_who_is_right_is_said_where_they_differ_and_where_all_are_wrong() -> None:
    summary = summarize_synthesis(SOME)
    apart = summary["differs from majority"]
    assert (apart["share"]["share"], apart["share"]["of"]) == (pytest.approx(2 / 3), 3)
    assert (apart["synthesis right"]["share"], apart["majority right"]["share"]) == (1.0, 0.0)
    wrong = summary["all answers wrong"]
    assert (wrong["share"]["share"], wrong["synthesis right"]["of"]) == (0.25, 1)
    assert summary["differs from self-chosen"]["share"] is None


def test_what_could_not_be_judged_does_not_count() -> None:
    unknown = Taken([None, True], [None, True], [0, 1], {"majority": 0, "synthesis": None})
    summary = summarize_synthesis([unknown, *SOME])
    assert (summary["problems"], summary["unscored"]) == (4, 1)
    assert summarize_synthesis([unknown])["rules"] == {}


def test_the_table_has_a_row_for_each_rule() -> None:
    names = [row[0] for row in columns_of(summarize_synthesis(SOME))]
    assert names == ["rule", "single", "majority", "self-chosen", "synthesis"]


def test_the_table_of_differences_says_of_how_many_and_leaves_shares_of_none_empty() -> None:
    table = differing_of(summarize_synthesis(SOME))
    rows = {row[0]: row[1:] for row in table}
    assert rows["differs from majority"] == ("0.667", "0.208 to 0.939", "3")
    assert rows["differs from self-chosen"] == ("", "", "0")
    assert (rows["all answers wrong"][2], table[-1][3]) == ("4", "1")
    assert differing_of(summarize_synthesis([])) == [("of problems", "share", "interval", "of")]
