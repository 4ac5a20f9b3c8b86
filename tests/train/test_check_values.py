"""What `cohort check` says of values and calls: each mistake by its name, and nothing of a right reward."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cohort.data.records import Problem
from cohort.train.check_answers import PROBLEMS, Probe, probes
from cohort.train.check_apart import Calls
from cohort.train.check_findings import Finding
from cohort.train.check_rewards import about_calls, about_prompts
from cohort.train.check_values import about_values

GOLDS = ["Paris", "Rome", "Oslo", "Bern", "Riga", "Kyiv"]
QUESTIONS = [Problem(str(n), f"Where is it, {n}?", {"answer": g}) for n, g in enumerate(GOLDS)]
TRIED = probes(QUESTIONS, {"answer": GOLDS})

Reward = Callable[[str, str], float | None]


def said_in_tags(text: str) -> str:
    return text.rpartition("<answer>")[2].partition("</answer>")[0].strip().casefold()


def right(text: str, gold: str) -> float:
    return float(said_in_tags(text) == gold.casefold())


def findings(reward: Reward, tried: list[Probe] = TRIED) -> list[Finding]:
    values = [reward(probe.text, GOLDS[probe.problem]) for probe in tried]
    return about_values("here", tried, values, {"answer"})


def test_there_is_nothing_to_say_of_a_right_reward() -> None:
    assert findings(right) == []
    assert findings(lambda text, gold: 10.0 * right(text, gold) - 3.0) == []


@pytest.mark.parametrize(
    ("name", "reward"),
    [
        ("pays for nothing", lambda t, g: right(t, g) or float(not t.strip())),
        ("pays for nothing", lambda t, g: right(t, g) or float("10/10" in t)),
        ("pays for form", lambda t, g: float("<answer>" in t and "</answer>" in t)),
        ("pays for length", lambda t, g: right(t, g) + len(t) / 3000),
        ("pays for length", lambda t, g: len(t) / 9),
        ("constant", lambda t, g: 0.5),
        ("constant", lambda t, g: None),
        ("pays no right answer", lambda t, g: float("banana" in t)),
        ("strict about spaces", lambda t, g: float(t == g)),
        ("strict about case", lambda t, g: float(g in t.split("\nor\n")[-1])),
        ("pays for several answers", lambda t, g: float(g.casefold() in t.casefold())),
    ],
)
def test_what_a_reward_pays_for_is_named(name: str, reward: Reward) -> None:
    assert name in [finding.name for finding in findings(reward)]


def test_what_is_worth_little_for_every_problem_is_only_to_be_looked_at() -> None:
    found = findings(lambda text, gold: max(right(text, gold), 0.2))
    assert {finding.mend for finding in found} <= {False}
    assert findings(lambda text, gold: max(right(text, gold), 0.01)) == []


def test_a_guess_that_is_right_at_times_is_no_mistake() -> None:
    assert (
        findings(lambda text, gold: right(text, gold) or float(gold == "Rome" and not text)) == []
    )


def test_another_column_that_looks_like_the_answer_and_is_not_paid_is_named() -> None:
    levels = ["1 of 5", "2 of 5", "3 of 5", "4 of 5", "5 of 5", "6 of 5"]
    tried = probes(QUESTIONS, {"answer": levels, "solution": GOLDS})
    values = [right(probe.text, levels[probe.problem]) for probe in tried]
    found = about_values("here", tried, values, {"answer"})
    assert [finding.name for finding in found] == ["reads another column"]
    assert 'the column "solution"' in found[0].text


def test_a_reward_of_taste_is_not_measured_against_a_right_answer() -> None:
    tried = probes(QUESTIONS, {})
    values = [-float(abs(20 - len(probe.text.split()))) for probe in tried]
    assert about_values("here", tried, values, set()) == []
    assert about_values("here", tried, [0.0] * len(tried), set()) == []


def line(values: list, places: list[int] | None = None, changed: tuple[str, ...] = ()) -> dict:
    places = list(range(len(values))) if places is None else places
    return {"values": values, "places": places, "changed": list(changed), "seconds": 0.1}


def names(calls: Calls) -> list[str]:
    return [finding.name for finding in about_calls("here", calls, TRIED, 5.0)]


def test_calls_that_give_the_same_are_nothing_to_speak_of() -> None:
    calls = Calls({"once": line([1, 2]), "twice": line([1, 2])})
    calls.returned["another order"] = line([2, 1], [1, 0])
    assert names(calls) == []


def test_calls_that_do_not_are_named() -> None:
    same = {"once": line([1, 2])}
    assert names(Calls({**same, "twice": line([1, 3])})) == ["impure"]
    assert names(Calls({**same, "another order": line([1, 2], [1, 0])})) == ["depends on order"]
    assert names(Calls({"once": line([1, "nan"])})) == ["is no number"]
    assert names(Calls({"once": line([1], [0, 1])})) == ["is no number"]
    assert names(Calls({"once": line([1, 2], changed=("completions",))})) == [
        "changes what it is given"
    ]
    assert names(Calls(raised={"once": "KeyError", "an empty answer": "KeyError"})) == ["raises"]
    assert names(Calls(hung=("once", "a hostile answer"))) == ["hangs"]


def test_prompts_that_hold_their_answers_are_named_and_lists_of_choices_are_not() -> None:
    def about(template: str) -> list[Finding]:
        asked = [Problem(str(n), template.format(g), {}) for n, g in enumerate(GOLDS)]
        return about_prompts("here", asked, {"answer": GOLDS}, {"answer"})

    assert [finding.name for finding in about("Is it {}?")] == ["gold in the prompt"]
    assert about("Where is it?") == []
    assert about("Which?\nA) {}\nB) Rio") == []
    assert about("Paris, Rome, Oslo, Bern, Riga or Kyiv? Not {}s.") == []


def test_every_kind_of_answer_is_tried_for_every_problem() -> None:
    kinds = {n: {p.kind for p in TRIED if p.problem == n} for n in range(PROBLEMS)}
    assert len(QUESTIONS) == PROBLEMS
    assert all(own == kinds[0] for own in kinds.values())
    assert {"right", "wrong", "an empty answer", "a truncated answer", "1000 words"} <= kinds[0]
