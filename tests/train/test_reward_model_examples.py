"""What a reward model learns from: rows, files of examples, where steps end."""

from dataclasses import fields

import numpy as np
import pytest

from cohort.config.preferences import RewardModel
from cohort.config.stages import Problems
from cohort.data.files import Row
from cohort.data.records import Problem
from cohort.errors import DataError, RunError
from cohort.rewards.step_ends import step_ends
from cohort.tasks.asking import ask_all
from cohort.train.reward_model_examples import Example, decoded, encoded
from cohort.train.reward_model_rows import example_of
from tests.tiny import tiny_policy

POLICY = tiny_policy()[0]
SOME = [
    Example(np.array([1, 2], np.int32), (np.array([3], np.int32), np.array([4, 5], np.int32)), (1.0, 0.0)),
    Example(np.array([6], np.int32), (np.array([7, 8], np.int32),), steps=(((0, 1.0), (1, 0.25)),)),
    Example(np.array([9], np.int32), (np.array([1], np.int32),), (0.5,), margin=0.75),
]  # fmt: skip


def stage(**options):
    return RewardModel(kind="reward-model", problems="rows.jsonl", steps=1, **options)


PROCESS = stage(supervision="process", separators=[" "])


def asked(options=PROCESS, **row):
    ((problem, _),) = ask_all([Row({"prompt": "1 2", **row}, "line 1")], Problems(source="rows"))
    return example_of(problem, options, POLICY)


def texts(example):
    return [POLICY.text(answer) for answer in example.answers]


def alike(one, other):
    def plain(value):
        return [plain(v) for v in value] if isinstance(value, tuple | np.ndarray) else value

    return all(plain(getattr(one, f.name)) == plain(getattr(other, f.name)) for f in fields(one))


@pytest.mark.parametrize("examples", [SOME, SOME[:1], []])
def test_examples_come_back_from_their_file_as_they_were(examples):
    back = decoded(encoded(examples), "here")
    assert len(back) == len(examples)
    assert all(alike(a, b) for a, b in zip(back, examples, strict=True))


def test_a_file_that_holds_no_examples_is_refused():
    for data in (b"", b"nonsense", encoded(SOME)[:-8]):
        with pytest.raises(RunError, match="here holds no examples"):
            decoded(data, "here")


def test_the_chosen_answer_of_a_pair_is_the_better_one_and_ends():
    example = asked(stage(margin=0.5), chosen="3 4", rejected="5")
    assert [list(a)[-1] for a in example.answers] == [1, 1]
    assert (texts(example), example.scores, example.margin) == (["34", "5"], (1.0, 0.0), 0.5)
    assert asked(stage(margin=0.5), chosen="3", rejected="5", margin=2).margin == 2.0


def test_the_prompt_of_two_texts_is_what_both_begin_with():
    rows = [Row({"chosen": "7 8 9", "rejected": "7 8 4"}, "line 1")]
    ((problem, _),) = ask_all(rows, Problems(source="rows"))
    assert (problem.prompt, problem.columns) == ("7 8", {"chosen": " 9", "rejected": " 4"})


def test_the_prompt_of_two_chats_is_the_messages_that_both_begin_with():
    ask = {"role": "user", "content": "1"}
    good, bad = ({"role": "assistant", "content": text} for text in "23")
    rows = [Row({"chosen": [ask, good], "rejected": [ask, bad]}, "line 1")]
    ((problem, _),) = ask_all(rows, Problems(source="rows"))
    assert problem.prompt == (ask,)
    plain = example_of(Problem("1", "1", problem.columns), stage(), POLICY)
    assert texts(plain) == ["2", "3"]


@pytest.mark.parametrize(("chosen", "rejected"), [("1", "2"), ("1 2", "1 2"), ("1", ["1"]), (1, 2)])
def test_a_pair_without_a_prompt_that_has_none_in_common_is_refused(chosen, rejected):
    with pytest.raises(DataError, match="line 1"):
        ask_all([Row({"chosen": chosen, "rejected": rejected}, "line 1")], Problems(source="rows"))


def test_answers_are_ranked_by_their_places_or_by_scores():
    assert asked(stage(), completions=["3", "4", "5"]).scores == (3.0, 2.0, 1.0)
    ranked = asked(stage(loss="regression"), answers=["3", "4"], scores=[0.25, 4])
    assert (texts(ranked), ranked.scores) == (["3", "4"], (0.25, 4.0))


def test_the_stepwise_form_is_one_answer_whose_steps_end_with_their_last_token():
    example = asked(completions=["3 4", "5", "6"], labels=[True, False, 0.5])
    assert list(example.answers[0]) == [*POLICY.completion_tokens("3 4 5 6")]
    assert example.steps == (((2, 1.0), (4, 0.0), (6, 0.5)),)
    assert example.scores == ()


@pytest.mark.parametrize(
    ("options", "row", "said"),
    [
        (stage(), {}, "no answers to compare"),
        (stage(), {"chosen": "3", "rejected": 4}, "4 is no answer"),
        (stage(), {"answers": []}, "is no list"),
        (stage(), {"answers": ["3"], "scores": [1, 2]}, "1 answers and 2 scores"),
        (stage(), {"answers": ["3"], "scores": ["a"]}, "is no number"),
        (stage(loss="binary"), {"answers": ["3"], "scores": [2]}, "a score is 2"),
        (stage(loss="regression"), {"answers": ["3"]}, "no scores, and the loss"),
        (stage(), {"chosen": "3 " * 60, "rejected": "4"}, "the model's context is 96"),
        (PROCESS, {"steps": ["3"]}, "no steps with labels"),
        (PROCESS, {"steps": ["3", " "], "labels": [1, 1]}, "1 of them empty"),
        (PROCESS, {"steps": ["3"], "labels": [1, 0]}, "2 labels"),
        (PROCESS, {"steps": ["3"], "labels": [-100]}, "a label is -100"),
        (PROCESS, {"steps": ["3"], "completions": ["3"], "labels": [1]}, "the same thing"),
    ],
)
def test_a_row_that_cannot_be_learned_from_is_refused(options, row, said):
    with pytest.raises(DataError, match=said):
        asked(options, **row)


def test_steps_end_where_separators_begin_and_with_the_text():
    assert step_ends("1+2=3 3+4=7</t>7", [" ", "</t>"]) == [5, 11, 16]
    assert step_ends("\n\na\n \nb\n", ["\n"]) == [3, 7]
    assert step_ends("a--b-c", ["-", "--"]) == [1, 4, 6]
    assert step_ends("", ["\n"]) == []
