"""Rows with chosen and rejected, in all forms that TRL has for them."""

import pytest

from cohort.config.stages import Problems
from cohort.data.files import Row
from cohort.data.pairs import pair_of
from cohort.data.records import Problem
from cohort.errors import DataError
from cohort.tasks.asking import ask_all

USER = {"role": "user", "content": "What is 1+1?"}


def _says(text):
    return {"role": "assistant", "content": text}


def _asked(values, **options):
    ((problem, _),) = ask_all([Row(values, "row 1")], Problems(source="x", **options))
    pair = pair_of(problem)
    return problem.prompt, pair.chosen, pair.rejected


@pytest.mark.parametrize(
    ("values", "prompt", "answers"),
    [
        ({"prompt": "1+1=", "chosen": "2", "rejected": "3"}, "1+1=", ("2", "3")),
        ({"prompt": [USER], "chosen": [_says("2")], "rejected": [_says("3")]}, (USER,), ("2", "3")),
        ({"chosen": "1+1 = 21", "rejected": "1+1 = 23"}, "1+1 =", (" 21", " 23")),
        ({"chosen": "say  a\nb", "rejected": "say  a"}, "say", ("  a\nb", "  a")),
        ({"chosen": [USER, _says("2")], "rejected": [USER, _says("3")]}, (USER,), ("2", "3")),
        (
            {"prompt": "same", "chosen": [USER, _says("2")], "rejected": [USER, _says("3")]},
            (USER,),
            ("2", "3"),
        ),
    ],
)
def test_every_form_of_a_pair_is_read(values, prompt, answers):
    assert _asked(values) == (prompt, *answers)


def test_columns_may_have_other_names_and_a_prompt_may_be_put_into_a_chat():
    values = {"q": "1+1=", "better": "2", "worse": "3"}
    names = {"chosen": "better", "rejected": "worse"}
    asked = _asked(values, prompt="q", columns=names, chat=True)
    assert asked == (({"role": "user", "content": "1+1="},), "2", "3")


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"chosen": "yes", "rejected": "no"}, "begin with nothing that could be their prompt"),
        ({"chosen": [USER, _says("2")], "rejected": [USER, _says("2")]}, "are no two answers"),
        ({"chosen": "a b", "rejected": [_says("b")]}, "one of chosen and rejected is text"),
        ({"prompt": "q", "chosen": "a"}, "has no answer in the column rejected: None"),
        (
            {"prompt": [USER], "chosen": [_says("a"), USER], "rejected": [_says("b")]},
            "has no answer in the column chosen",
        ),
        ({"prompt": [USER], "chosen": [USER], "rejected": [_says("b")]}, "column chosen"),
    ],
)
def test_what_is_no_pair_is_refused(values, match):
    with pytest.raises(DataError, match=match):
        _asked(values)


def test_a_problem_without_a_pair_says_what_a_pair_is():
    with pytest.raises(DataError, match="with rewards the stage samples its pairs"):
        pair_of(Problem("p", "1+1="))
