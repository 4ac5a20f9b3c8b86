"""The task slips: careless demonstrations, honest ones of reconciling, and rewards that read digits."""

from __future__ import annotations

from collections import Counter
from statistics import fmean

import pytest

from cohort.errors import DataError
from cohort.policy.new import new_tokenizer
from cohort.tasks.slips import LETTERS, Slips, correct, right_digits


def demonstrations(*, steps=4, count=50, **options):
    task = Slips(**options)
    shown = (task.demonstrations(seed=1, step=n, count=count) for n in range(1, steps + 1))
    return [one for own in shown for one in own]


def share_right(**options):
    shown = demonstrations(**options)
    golds = [one.problem.columns["answer"] for one in shown]
    values = right_digits(completions=[one.completion for one in shown], answer=golds)
    return sum(values) / len(values)


def test_demonstrations_slip_as_often_as_they_are_told_to() -> None:
    assert share_right(least_slips=0.0, most_slips=0.0, misremembered=0.0) == 1.0
    assert share_right(least_slips=0.5, most_slips=0.5, misremembered=0.0) == pytest.approx(
        0.5, abs=0.06
    )
    assert 0.6 < share_right() < 0.75


def test_of_a_misremembered_letter_one_wrong_digit_is_the_likeliest() -> None:
    said = Counter((one.problem.prompt, one.completion) for one in misremembered())
    gold = {
        one.problem.prompt: f"<answer>{one.problem.columns['answer']}</answer>"
        for one in misremembered()
    }
    right = sum(count for (prompt, digit), count in said.items() if digit == gold[prompt])
    likeliest = sum(
        max(count for (asked, digit), count in said.items() if asked == prompt and digit != own)
        for prompt, own in gold.items()
    )
    assert likeliest / said.total() == pytest.approx(0.6, abs=0.1)
    assert right / said.total() == pytest.approx(0.3, abs=0.1)


def misremembered():
    return demonstrations(steps=20, count=10, letters=1, misremembered=1.0, held_out_problems=1)


def test_reconciling_shows_no_question_and_the_digits_that_most_candidates_have() -> None:
    right = 0
    for one in demonstrations(demonstrations="reconciling", letters=4):
        assert not set(one.problem.prompt) & set(LETTERS)
        *candidates, asked = one.problem.prompt.split("|")
        assert asked == "="
        assert 1 <= len(candidates) <= 8
        counts = [Counter(c[n : n + 2] for c in candidates) for n in range(0, 8, 2)]
        voted = "".join(count.most_common(1)[0][0] for count in counts)
        right += one.completion == f"<answer>{voted}</answer>"
    assert right > 70, "of 200, most of them with few or very noisy candidates"


def test_every_text_of_the_task_is_made_of_its_pieces() -> None:
    tokenizer = new_tokenizer(Slips().vocabulary())
    for kind in ("solving", "reconciling"):
        for one in demonstrations(demonstrations=kind):
            ids = tokenizer(f"{one.problem.prompt}{one.completion}")["input_ids"]
            assert tokenizer.unk_token_id not in ids


def test_no_held_out_problem_is_ever_trained_on() -> None:
    task = Slips(letters=2, held_out_problems=100)
    held_out = {problem.id for problem in task.held_out()}
    drawn = task.batch(seed=1, purpose="reinforce", step=1, count=400)
    assert len(held_out) == 100
    assert not held_out & {problem.id for problem in drawn}


def test_an_answer_is_right_if_every_digit_is() -> None:
    texts = ["<answer>a7b2</answer>", "<answer>a7b3</answer>", "a7b2", "<answer>a7</answer>"]
    golds = ["a7b2"] * 4
    assert correct(completions=texts, answer=golds) == [1.0, 0.0, 0.0, 0.0]
    assert right_digits(completions=texts, answer=golds) == [1.0, 0.5, 0.0, 0.5]


def test_what_demonstrations_teach_is_one_of_two_things() -> None:
    with pytest.raises(DataError, match='did you mean "reconciling"'):
        Slips(demonstrations="reconcile")


def test_two_careless_answers_of_six_letters_seldom_agree() -> None:
    said: dict[str, Counter[str]] = {}
    one_letter = demonstrations(steps=40, count=10, letters=1, held_out_problems=1)
    for one in one_letter:
        said.setdefault(one.problem.prompt, Counter())[one.completion] += 1
    agree = [
        sum(n * (n - 1) for n in own.values()) / (own.total() * (own.total() - 1))
        for own in said.values()
        if own.total() > 1
    ]
    assert 0.05 < fmean(agree) ** 4 < 0.12
    assert fmean(agree) ** 6 < 0.04 < share_right() ** 6 < 0.2


def test_letters_and_candidates_say_how_many_there_are() -> None:
    assert len(Slips(letters=2).held_out()[0].columns["letters"]) == 2
    few = demonstrations(demonstrations="reconciling", candidates=2)
    assert {one.problem.prompt.count("|") for one in few} == {1, 2}
