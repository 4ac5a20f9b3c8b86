"""Calls in the text of a turn: read in each form, told in a sentence where they cannot be, soon."""

import json
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.errors import ModelError
from cohort.rollout.calls import FORMS, MOST_CALLS, MOST_CHARACTERS, form_of, spoken
from cohort.rollout.environments import Call
from tests.chat_templates import STYLES

ADD = Call("add", {"x": 1, "y": [2, {"z": "</tool_call>"}]})
AS_JSON = '{"name": "add", "arguments": {"x": 1, "y": [2, {"z": "</tool_call>"}]}}'
DEEP = "[" * 90 + "]" * 90
THOUGHT = "<think>\n<tool_call>{}</tool_call>\n</think>"
AS_LLAMA = AS_JSON.replace("arguments", "parameters")


def hermes(json_text: str) -> str:
    return f"<tool_call>\n{json_text}\n</tool_call>"


@pytest.mark.parametrize(
    ("form", "text", "content"),
    [
        ("hermes", hermes(AS_JSON), ""),
        ("hermes", f"I add. {hermes(AS_JSON)} Wait.", "I add.  Wait."),
        ("hermes", f"{THOUGHT}\n{hermes(AS_JSON)}", THOUGHT),
        ("llama3", AS_LLAMA, ""),
        ("llama3", f"<|python_tag|>{AS_LLAMA}", ""),
        ("llama3", f'I add.\n {AS_LLAMA[:-1]}, "type": "function"}}', "I add."),
        ("json", AS_JSON, ""),
        ("json", f"[{AS_JSON}]", ""),
        ("json", f"[TOOL_CALLS] [{AS_JSON}]", ""),
        ("json", f"So:\n```json\n{AS_JSON}\n```", "So:"),
        ("json", f"{{x}} is a set\n[ {AS_JSON}]", "{x} is a set"),
    ],
)  # fmt: skip
def test_a_call_is_read_in_each_form(form: str, text: str, content: str) -> None:
    said = spoken(text, 0, form)
    assert said.calls == (ADD,)
    assert said.mistakes == ()
    assert said.content == content


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("hermes", hermes(AS_JSON) * 3),
        ("llama3", "; ".join([AS_LLAMA] * 3)),
        ("json", f"[{AS_JSON}, {AS_JSON},{AS_JSON}]"),
        ("json", "\n".join([AS_JSON] * 3)),
    ],
)
def test_several_calls_are_read_in_order(form: str, text: str) -> None:
    assert spoken(text, 0, form).calls == (ADD,) * 3


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "text", ["", "The answer is 42.", '{"answer": 3}', "[1]", "{x}\n[y](z)", '["name"]']
)
def test_an_answer_is_no_call_and_no_mistake(form: str, text: str) -> None:
    said = spoken(text, 3, form)
    assert (said.calls, said.mistakes, said.content, said.number) == ((), (), text, 3)


def test_without_a_form_nothing_is_a_call() -> None:
    assert spoken(hermes(AS_JSON), 0).calls == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (hermes('{"name": "f"'), "a call is no JSON"),
        (hermes('{"name": "f"}'), 'a call has "name" and "arguments", and this one has name'),
        (hermes('{"name": "f", "arguments": {}, "more": 1}'), "this one has arguments, more, name"),
        (hermes('{"name": "f", "arguments": "{}"}'), "of a call to f are an object, not a text"),
        (hermes('{"name": 3, "arguments": {}}'), "the name of a call is a text, not 3"),
        (hermes('{"name": "f", "arguments": {"x": NaN}}'), "NaN is no JSON value"),
        (hermes('{"name": "f", "arguments": {"x": 1, "x": 2}}'), "a name occurs twice"),
        (hermes('{"name": "f", "arguments": {"x": 1e999}}'), "a number in a call is too large"),
        (hermes('{"name": "f", "arguments": {"x": %s}}' % ("9" * 5000)), "a call is no JSON"),
        (hermes('{"name": "f", "arguments": {"x": "\\ud800"}}'), "half of a character"),
        (hermes(f'{{"name": "f", "arguments": {{"x": {DEEP}}}}}'), "more than 64 deep"),
        (hermes('{"name": "f", "arguments": %s}' % ("[" * 100_000)), "a call is no JSON"),
        (hermes("[1]"), r"a call is an object, not \[1\]"),
        ('<tool_call>{"name": "f", "arguments": {}}', "a call has no </tool_call>"),
        ("<tool_call>", "a call is no JSON"),
        ("x </tool_call>", "a </tool_call> without a <tool_call>"),
    ],
)  # fmt: skip
def test_an_unreadable_call_is_one_sentence(text: str, said: str) -> None:
    turn = spoken(text, 0, "hermes")
    assert turn.calls == ()
    assert len(turn.mistakes) == 1
    assert re.search(said, turn.mistakes[0]), turn.mistakes
    assert len(turn.mistakes[0]) < 200


def test_a_call_after_an_unreadable_one_is_read() -> None:
    turn = spoken(hermes("{") + hermes(AS_JSON), 0, "hermes")
    assert turn.calls == (ADD,)
    assert len(turn.mistakes) == 1


def test_a_call_within_a_call_is_read_and_the_outer_one_is_a_mistake() -> None:
    inner = hermes(AS_JSON)
    turn = spoken(f'<tool_call>{{"name": "f", "arguments": {{}}}}{inner}</tool_call>', 0, "hermes")
    assert turn.calls == (ADD,)
    assert len(turn.mistakes) == 2


HOSTILE = {
    "openings": "<tool_call>" * 90_000,
    "open texts": '<tool_call>{"a":"' * 58_000,
    "closings": "</tool_call>" * 83_000,
    "brackets": "[" * 999_999,
    "objects": '{"name":' * 120_000,
    "lines": '{"name"\n' * 120_000,
    "lists": "[{\n" * 330_000,
    "spaces": ("[" + " " * 99 + "\n") * 9_900,
    "tags": "<|python_tag|>{" * 60_000,
    "calls": hermes(AS_JSON) * 8_000,
    "many": "[" + ",".join([AS_JSON] * 10_000) + "]",
    "separators": AS_JSON + ";" * 900_000,
    "fences": "```" * 300_000,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_costs_bounded_time(form: str, name: str) -> None:
    text = HOSTILE[name]
    assert len(text) <= MOST_CHARACTERS
    began = time.process_time()
    said = spoken(text, 0, form)
    assert time.process_time() - began < 2.0
    assert len(said.calls) <= MOST_CALLS
    assert len(said.mistakes) <= 2 * MOST_CALLS + 1


def test_a_turn_of_ten_megabytes_is_not_read() -> None:
    said = spoken(hermes(AS_JSON).ljust(10_000_000), 0, "hermes")
    assert said.calls == ()
    assert said.mistakes == ("the turn has 10,000,000 characters; calls are read of 1,000,000",)


PIECES = (
    "<tool_call>", "</tool_call>", "<|python_tag|>", "<think>", "</think>", AS_JSON, AS_LLAMA, "{", "}", "[",
    "]", '"', ",", ":", '"name"', '"arguments"', "NaN", "\n", " ", ";", "\\", "\ud800", "1e999", "```json",
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=30).map("".join))
def test_nothing_that_a_policy_writes_is_an_exception(text: str) -> None:
    for form in FORMS:
        said = spoken(text, 0, form)
        assert all(isinstance(call.name, str) for call in said.calls)
        json.dumps([dict(call.arguments) for call in said.calls], allow_nan=False)
        assert all(0 < len(sentence) < 300 for sentence in said.mistakes)


@pytest.mark.parametrize("name", STYLES)
def test_the_template_tells_the_form(name: str) -> None:
    style = STYLES[name]
    if style.form:
        assert form_of(style.template) == style.form
    else:
        with pytest.raises(ModelError, match="says nothing of tool calls"):
            form_of(style.template)


@pytest.mark.parametrize(
    "template", ["<tool_call>\n<function={{ n }}>", "[TOOL_CALLS]{{ n }}[ARGS]"]
)
def test_a_form_that_is_not_read_is_refused_by_name(template: str) -> None:
    with pytest.raises(ModelError, match=r"writes tool calls with (<function=|\[ARGS\])"):
        form_of(template)
