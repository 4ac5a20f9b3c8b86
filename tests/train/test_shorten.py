"""Prompts that are too long: cut where it is asked for, as far as it must be, and nowhere else."""

import pytest

from cohort.data.records import Problem
from cohort.errors import DataError
from cohort.train.shorten import shortened
from tests.tiny import tiny_policy

LONG = " ".join(str(n) for n in range(30))
SYSTEM, ASKED, BEGUN = (
    {"role": role, "content": text}
    for role, text in (("system", "9 9 9 9"), ("user", LONG), ("assistant", "7"))
)


@pytest.fixture(scope="module")
def policy():
    policy, _ = tiny_policy()
    policy.tokenizer.chat_template = "{% for m in messages %}{{ m.content }}<end>{% endfor %}"
    return policy


def test_a_prompt_that_fits_is_the_very_same(policy):
    problem = Problem("p", LONG)
    assert shortened(problem, policy, len(policy.prompt_tokens(problem))) is problem


@pytest.mark.parametrize("room", [1, 2, 7, 20])
def test_of_a_text_as_much_of_the_end_is_kept_as_fits(policy, room):
    whole = policy.prompt_tokens(Problem("p", LONG)).tolist()
    kept = shortened(Problem("p", LONG, {"answer": "3"}), policy, room)
    assert LONG.endswith(kept.prompt)
    assert policy.prompt_tokens(kept).tolist() == whole[-room:]
    assert (kept.id, kept.columns) == ("p", {"answer": "3"})


def test_of_a_chat_the_longest_message_of_a_user_is_cut(policy):
    chat = (SYSTEM, {"role": "user", "content": "3"}, BEGUN, ASKED, BEGUN)
    kept = shortened(Problem("p", chat), policy, 25)
    assert [*kept.prompt[:3], kept.prompt[4]] == [*chat[:3], chat[4]]
    assert 0 < len(kept.prompt[3]["content"]) < len(LONG)
    assert LONG.endswith(kept.prompt[3]["content"])
    assert 23 <= len(policy.prompt_tokens(kept)) <= 25


def test_where_nothing_of_it_would_be_left_it_is_refused(policy):
    with pytest.raises(DataError, match="no room for a word"):
        shortened(Problem("p", (SYSTEM, ASKED)), policy, 5)
    with pytest.raises(DataError, match="no message of a user"):
        shortened(Problem("p", (SYSTEM,)), policy, 3)
