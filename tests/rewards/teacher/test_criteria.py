"""Rubrics in XML: what is read of them, and that a hostile one is a failure and nothing else."""

from __future__ import annotations

import pytest

from cohort.rewards.outcome import Failed
from cohort.rewards.teacher.criteria import MOST_CRITERIA, criteria_in


def rubric(*criteria: str) -> str:
    return "<rubric>" + "".join(f"<criterion>{c}</criterion>" for c in criteria) + "</rubric>"


def test_criteria_are_read_with_words_around_the_rubric() -> None:
    made = rubric("It names a dose.", " It is\n short. ")
    assert criteria_in(f"Here you are:\n```xml\n{made}\n```", 2) == (
        "It names a dose.",
        "It is short.",
    )


def test_entities_stand_for_their_characters_once() -> None:
    text = rubric("a &lt;b&gt; &amp;amp; &quot;c&quot; &#65;&#x42;")
    assert criteria_in(text, 1) == ('a <b> &amp; "c" AB',)


def test_what_is_said_twice_counts_once() -> None:
    assert criteria_in(rubric("one", "one ", "two", ""), 2) == ("one", "two")
    assert isinstance(criteria_in(rubric("one", "one"), 2), Failed)


BOMB = (
    '<!DOCTYPE rubric [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    + rubric("&b;")
)
OUTSIDE = '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + rubric("&x;")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no rubric at all",
        "<rubric></rubric>",
        "<rubric/>",
        rubric("one") * 2,
        "</rubric><criterion>one</criterion><rubric>",
        "<rubric><criterion>one</rubric>",
        "<rubric><criterion>one</criterion>two</rubric>",
        "<rubric><criterion weight='2'>one</criterion></rubric>",
        "<rubric><criterion>one<b>two</b></criterion></rubric>",
        "<rubric><!-- <criterion>one</criterion> --></rubric>",
        "<rubric><![CDATA[<criterion>one</criterion>]]></rubric>",
        "<rubric><?php one ?></rubric>",
        '<rubric><xi:include href="file:///etc/passwd"/></rubric>',
        rubric("a & b"),
        rubric("&unknown;"),
        rubric("&#0;"),
        rubric("&#xD800;"),
        rubric("&#9999999;"),
        rubric("x" * 3000),
        rubric(*map(str, range(MOST_CRITERIA + 1))),
        rubric("a" * 100_000),
        "<rubric>" * 10_000,
        BOMB,
        OUTSIDE,
    ],
)
def test_a_malformed_rubric_is_a_failure_of_its_own_kind(text: str) -> None:
    found = criteria_in(text, 1)
    assert isinstance(found, Failed)
    assert found.kind == "rubric"
    assert "root:" not in found.reason


def test_too_few_criteria_are_a_failure() -> None:
    found = criteria_in(rubric("one", "two", "three", "four"), 5)
    assert isinstance(found, Failed)
    assert "4 different criteria, 5 were asked for" in found.reason
