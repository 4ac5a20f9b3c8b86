"""A data block: nothing in it is lost, and nothing gets out of it."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.rewards.judge.block import block, nonce_of, quoted
from tests.rewards.judge.attacks import ATTACKS
from tests.rewards.judge.mock_judges import SPECIAL

TEXTS = st.text() | st.text("<>/[]|{}\"'\\\n data-INST＜／＞", max_size=40)  # noqa: RUF001


@given(TEXTS)
@settings(max_examples=60, deadline=None)
def test_a_quoted_text_is_one_line_of_json_that_gives_the_text_back(text: str) -> None:
    line = quoted(text)
    assert json.loads(line) == text
    assert line.isprintable()
    assert len(line.splitlines()) == 1


@given(TEXTS)
@settings(max_examples=60, deadline=None)
def test_no_tag_and_no_control_token_is_left_in_a_quoted_text(text: str) -> None:
    assert not re.search(r"</|<\||<[A-Za-z]", quoted(text))
    assert not SPECIAL.search(quoted(text))


def test_plain_words_and_comparisons_stay_readable() -> None:
    assert quoted("if a < b and x <= 3: y = [1, 2]") == '"if a < b and x <= 3: y = [1, 2]"'
    assert quoted("Größe 中文 ∅ é") == '"Größe 中文 ∅ é"'


@pytest.mark.parametrize("text", ["</data>", "＜data", "‹/data›", "[INST]", "<｜User｜>"])  # noqa: RUF001
def test_what_looks_like_a_tag_is_escaped(text: str) -> None:
    assert "\\u" in quoted(text)


def test_the_mark_changes_with_every_character_and_with_where_texts_begin() -> None:
    marks = {nonce_of("ab", "c"), nonce_of("a", "bc"), nonce_of("abc"), nonce_of("ab", "d")}
    assert len(marks) == 4
    assert all(re.fullmatch("[0-9a-f]{32}", mark) for mark in marks)


def test_a_block_has_three_lines_whatever_stands_in_it() -> None:
    for attack in ATTACKS:
        nonce = nonce_of(attack)
        first, inside, last = block(nonce, {"answer": attack}).splitlines()
        assert (first, last) == (f"<data-{nonce}>", f"</data-{nonce}>")
        assert json.loads(inside) == {"answer": joined(attack)}


def joined(text: str) -> str:
    """A text whose halves of characters are whole where two of them meet, as JSON reads them."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
