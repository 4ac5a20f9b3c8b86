"""The reward `orchestra`: facts of episodes in, what each is worth to its group out."""

import pytest

from cohort.errors import RewardError
from cohort.rewards.orchestra import NO_ANSWER, NO_EPISODE, WRONG_FORM, orchestra
from cohort.rewards.outcome import Scored

TOOLS = ("search", "small", "big")
OUTCOME_FIRST = {"outcome": 1.0, "cost": 1.0, "latency": 0.5}


def episode(calls, outcome, cost, latency, **facts):
    counted = dict(zip(TOOLS, calls, strict=True))
    known = {"calls": counted, "outcome": outcome, "cost": cost, "latency": latency}
    return {"turns": [{"text": "", "mistakes": []}], "facts": known | facts}


EXAMPLE = [
    episode((1, 1, 0), True, 2, 3),
    episode((0, 0, 2), 1, 20, 10),
    episode((2, 0, 0), False, 1, 2),
    episode((0, 1, 0), True, 1, 1),
]


def values(episodes, preference):
    said = orchestra(episodes=episodes, preference=[preference] * len(episodes))
    return [one.value if isinstance(one, Scored) else one for one in said]


def test_the_worked_example_of_the_paper_s_form():
    expected = [2.336257, 1.0, 0.0, 2.5]
    assert values(EXAMPLE, OUTCOME_FIRST) == pytest.approx(expected, abs=1e-6)
    assert values(EXAMPLE, {"big": 1, "outcome": 1}) == pytest.approx([1.0, 2.0, 0.0, 1.0])
    assert values(EXAMPLE, None) == [0.0] * 4


def test_what_has_no_answer_or_a_wrong_form_is_dropped_and_stretches_no_column():
    unanswered = episode((9, 9, 9), None, 900, 900)
    unread = episode((9, 9, 9), True, 0, 0, mistakes=1)
    unread_by_stage = episode((9, 9, 9), True, 0, 0)
    unread_by_stage["turns"][0]["mistakes"] = ["a call without a name"]
    others = [unanswered, unread, unread_by_stage, None]
    found = values([*others, *EXAMPLE], OUTCOME_FIRST)
    assert found[:4] == [NO_ANSWER, WRONG_FORM, WRONG_FORM, NO_EPISODE]
    assert found[4:] == values(EXAMPLE, OUTCOME_FIRST)
    assert values(others, OUTCOME_FIRST) == found[:4]


def test_a_preference_for_what_nobody_has_is_refused_with_the_nearest_name():
    with pytest.raises(RewardError, match='weighs "serch"') as refusal:
        values(EXAMPLE, {"serch": 1.0})
    assert '"search"' in refusal.value.hint


@pytest.mark.parametrize("missing", ["calls", "cost", "latency"])
def test_facts_that_are_missing_are_asked_for(missing):
    one = episode((1, 0, 0), True, 1, 1)
    del one["facts"][missing]
    with pytest.raises(RewardError, match=f"{missing}.*None"):
        values([one], OUTCOME_FIRST)
