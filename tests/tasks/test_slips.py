"""The task slips: careless demonstrations, honest ones of reconciling, and rewards that read digits."""

from __future__ import annotations

from collections import Counter

import pytest

from cohort.errors import DataError
from cohort.policy.new import new_tokenizer
from cohort.tasks.slips import Slips, correct, right_digits


def demonstrations(**options):
    task = Slips(**options)
    return [one for step in range(1, 5) for one in task.demonstrations(seed=1, step=step, count=50)]


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


def test_of_a_misremembered_sum_one_wrong_digit_is_the_likeliest() -> None:
    shown = demonstrations(sums=1, misremembered=1.0)
    seen = [(one.problem.prompt, one.completion) for one in shown]
    prompt, _ = Counter(prompt for prompt, _ in seen).most_common(1)[0]
    own = Counter(completion for asked, completion in seen if asked == prompt)
    gold = {one.problem.prompt: one.problem.columns["answer"] for one in shown}[prompt]
    assert own.most_common(1)[0][0] != f"<answer>{gold}</answer>"
    assert share_right(misremembered=1.0) < 0.4


def test_reconciling_shows_no_question_and_the_digits_that_most_candidates_have() -> None:
    right = 0
    for one in demonstrations(demonstrations="reconciling"):
        assert "+" not in one.problem.prompt
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
    task = Slips(sums=2, held_out_problems=300)
    held_out = {problem.id for problem in task.held_out()}
    drawn = task.batch(seed=1, purpose="reinforce", step=1, count=2000)
    assert len(held_out) == 300
    assert not held_out & {problem.id for problem in drawn}


def test_an_answer_is_right_if_every_digit_is() -> None:
    texts = ["<answer>a7b2</answer>", "<answer>a7b3</answer>", "a7b2", "<answer>a7</answer>"]
    golds = ["a7b2"] * 4
    assert correct(completions=texts, answer=golds) == [1.0, 0.0, 0.0, 0.0]
    assert right_digits(completions=texts, answer=golds) == [1.0, 0.5, 0.0, 0.5]


def test_what_demonstrations_teach_is_one_of_two_things() -> None:
    with pytest.raises(DataError, match='did you mean "reconciling"'):
        Slips(demonstrations="reconcile")


def test_sums_and_candidates_say_how_many_there_are() -> None:
    assert len(Slips(sums=2).held_out()[0].columns["pairs"]) == 2
    few = demonstrations(demonstrations="reconciling", candidates=2)
    assert {one.problem.prompt.count("|") for one in few} == {1, 2}
