"""The task greetings: demonstrations in the styles asked for, and what people like of a greeting."""

from __future__ import annotations

import pytest

from cohort.errors import DataError
from cohort.policy.new import new_tokenizer
from cohort.rewards.text_rules import language
from cohort.tasks.greetings import KIND, NAMES, Greetings, liked

GOOD, BETTER = KIND["en"]


def liking(text: str, names: list[str] | None = None) -> float | None:
    return liked(completions=[text], names=[["Ann", "Tom"] if names is None else names])[0]


def shown(**options: float) -> list[str]:
    task = Greetings(**options)
    return [
        one.completion
        for step in range(1, 9)
        for one in task.demonstrations(seed=1, step=step, count=50)
    ]


def share(texts: list[str], part: str) -> float:
    return sum(part in text for text in texts) / len(texts)


def test_the_shares_of_the_styles_are_those_asked_for() -> None:
    assert share(shown(kind_share=0.6), ",") == pytest.approx(0.6, abs=0.06)
    assert share(shown(kind_share=0.6), BETTER) == pytest.approx(0.3, abs=0.06)
    assert share(shown(tagged_share=0.3), "<answer>") == pytest.approx(0.3, abs=0.06)
    assert share(shown(german_share=0.3), "hallo") == pytest.approx(0.3, abs=0.06)


def test_problems_ask_for_up_to_so_many_different_people() -> None:
    problems = Greetings(people=3).batch(seed=1, purpose="reinforce", step=1, count=60)
    groups = [problem.columns["names"] for problem in problems]
    assert {len(own) for own in groups} == {1, 2, 3}
    assert all(len(set(own)) == len(own) and set(own) <= set(NAMES) for own in groups)


def test_no_held_out_group_is_ever_trained_on() -> None:
    task = Greetings(held_out_problems=100)
    drawn = task.batch(seed=1, purpose="reinforce", step=1, count=1000)
    assert not {p.id for p in task.held_out()} & {p.id for p in drawn}


def test_people_like_to_be_named_once_and_told_kind_things_once() -> None:
    assert liking("hello Ann Tom") == pytest.approx(1 / 3)
    assert liking(f"<think></think><answer>hello Tom Ann{GOOD}</answer>") == pytest.approx(2 / 3)
    assert liking(f"hello Ann Tom{GOOD}{BETTER}") == 1.0
    assert liking(f"hello Ann{GOOD}{BETTER}") == 0.5
    assert liking(f"hello Ann Tom Eve{GOOD}{BETTER}") == pytest.approx(2 / 3)
    assert liking(f"hello Ann Tom Tom{GOOD}{BETTER}") == 0.5


def test_a_kind_thing_said_again_is_liked_less_also_in_another_language() -> None:
    assert liking(f"hello Ann Tom{GOOD}{GOOD}") == pytest.approx(1 / 3)
    assert liking(f"hello Ann Tom{GOOD}{KIND['de'][0]}") == pytest.approx(1 / 3)
    assert liking(f"hello Ann Tom{GOOD}{BETTER}{BETTER}") == pytest.approx(2 / 3)


def test_no_hello_other_words_or_nothing_is_not_liked_and_nobody_is_not_judged() -> None:
    for text in ("Ann Tom", "hello Ann Tom 5", "", f"{GOOD}", "hello hello Ann Tom"):
        assert liking(text) == 0.0
    assert liked(completions=["hello"], names=[None]) == [None]


def test_the_reward_for_language_tells_the_kind_things_of_the_two_languages_apart() -> None:
    assert language(completions=[f"hello Ann{GOOD}{BETTER}"]) == [1.0]
    assert language(completions=[f"hallo Ann{''.join(KIND['de'])}"]) == [0.0]


def test_the_vocabulary_spells_every_prompt_and_demonstration() -> None:
    tokenizer = new_tokenizer(Greetings().vocabulary())
    for one in Greetings(german_share=0.5).demonstrations(seed=1, step=1, count=80):
        text = f"{one.problem.prompt}{one.completion}"
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids) == text


@pytest.mark.parametrize(("option", "value"), [("people", 13), ("kind_share", -1)])
def test_what_cannot_be_is_refused(option: str, value: object) -> None:
    with pytest.raises(DataError, match=option):
        Greetings(**{option: value})  # type: ignore[arg-type]
