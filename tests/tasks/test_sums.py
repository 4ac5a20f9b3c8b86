"""The task sums: honest demonstrations in the styles asked for, and lines that are judged one by one."""

from __future__ import annotations

import pytest

from cohort.errors import DataError
from cohort.policy.new import new_tokenizer
from cohort.rewards.rules import correct, has_format
from cohort.tasks.sums import Sums, right_steps

TERMS = [47, 85, 36]
GOOD = "<think>47 and 85 are 132\n132 and 36 are 168</think><answer>168</answer>"


def judged(text: str, terms: list[int] | None = TERMS) -> list[float] | None:
    steps = right_steps(completions=[text], terms=[terms])[0]
    return None if steps is None else [value for _, value in steps]


def shown(**options: float) -> list[str]:
    task = Sums(**options)
    return [
        one.completion
        for step in range(1, 9)
        for one in task.demonstrations(seed=1, step=step, count=50)
    ]


def share(texts: list[str], part: str) -> float:
    return sum(part in text for text in texts) / len(texts)


def test_a_step_is_a_function_of_seed_purpose_and_step_alone() -> None:
    wanted = Sums().batch(seed=1, purpose="reinforce", step=2, count=16)
    assert Sums().batch(seed=1, purpose="reinforce", step=2, count=16) == wanted
    assert Sums().batch(seed=2, purpose="reinforce", step=2, count=16) != wanted
    assert Sums().batch(seed=1, purpose="reinforce", step=3, count=16) != wanted


def test_no_held_out_sum_is_ever_trained_on() -> None:
    task = Sums(numbers=2, held_out_problems=300)
    held_out = {problem.id for problem in task.held_out()}
    drawn = task.batch(seed=1, purpose="reinforce", step=1, count=2000)
    assert len(held_out) == 300
    assert not held_out & {problem.id for problem in drawn}


def test_numbers_and_largest_say_which_sums_there_are() -> None:
    for problem in Sums(numbers=3, largest=20).batch(seed=1, purpose="r", step=1, count=50):
        terms = [int(term) for term in str(problem.prompt).removesuffix("=").split("+")]
        assert len(terms) == 3
        assert all(10 <= term <= 20 for term in terms)
        assert problem.columns == {"answer": str(sum(terms)), "terms": terms}


def test_every_demonstration_is_right_in_every_line_and_every_style() -> None:
    task = Sums(worked_share=0.5, tagged_share=0.5, german_share=0.5)
    for one in task.demonstrations(seed=1, step=1, count=200):
        columns = one.problem.columns
        assert correct(completions=[one.completion], answer=[columns["answer"]]) == [1.0]
        assert set(judged(one.completion, columns["terms"]) or [0.0]) == {1.0}


def test_the_shares_of_the_styles_are_those_asked_for() -> None:
    assert share(shown(worked_share=0.3), "and") == pytest.approx(0.3, abs=0.06)
    assert share(shown(tagged_share=0.3), "<think>") == pytest.approx(0.3, abs=0.06)
    lines = [line for text in shown(german_share=0.3) for line in text.split("\n")]
    assert share(lines, "und") == pytest.approx(0.3, abs=0.06)
    assert has_format(completions=shown()) == [1.0] * 400


def test_each_line_is_worth_what_it_says_and_nothing_after_a_mistake() -> None:
    assert judged(GOOD) == [1.0, 1.0, 1.0]
    assert judged(GOOD.replace("132\n", "131\n")) == [0.0, 1.0, 1.0]
    late = GOOD.replace("are 168", "are 169").replace(">168", ">169")
    assert judged(late) == [1.0, 0.0, 0.0]
    carried = "<think>47 and 85 are 131\n131 and 36 are 167</think><answer>167</answer>"
    assert judged(carried) == [0.0, 0.0, 0.0]


def test_true_lines_of_another_sum_are_worth_nothing() -> None:
    assert judged("<think>10 and 10 are 20\n132 and 36 are 168</think><answer>168</answer>") == [
        0.0,
        1.0,
        1.0,
    ]
    more = GOOD.replace("</think>", "\n168 and 10 are 178</think>")
    assert judged(more) == [1.0, 1.0, 0.0, 1.0]
    assert judged("<think></think><answer>168</answer>") == [1.0]


def test_lines_end_where_they_end_and_the_last_step_closes_the_answer() -> None:
    (steps,) = right_steps(completions=[GOOD], terms=[TERMS])
    assert steps is not None
    ends = [end for end, _ in steps]
    assert [GOOD[:end].rpartition(" ")[2] for end in ends[:2]] == ["132", "168"]
    assert ends[-1] == len(GOOD)


def test_a_problem_that_is_no_sum_and_an_answer_without_lines_cannot_be_judged() -> None:
    assert judged(GOOD, None) is None
    assert judged("<think></think>") is None


def test_the_vocabulary_spells_every_prompt_and_demonstration() -> None:
    tokenizer = new_tokenizer(Sums().vocabulary())
    task = Sums(worked_share=0.5, tagged_share=0.5, german_share=0.5, numbers=6)
    for one in task.demonstrations(seed=1, step=1, count=50):
        text = f"{one.problem.prompt}{one.completion}"
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids) == text


@pytest.mark.parametrize(
    ("option", "value"),
    [("numbers", 1), ("largest", 10), ("worked_share", 1.5), ("tagged_share", "x")],
)
def test_what_cannot_be_is_refused(option: str, value: object) -> None:
    with pytest.raises(DataError, match=option):
        Sums(**{option: value})  # type: ignore[arg-type]
