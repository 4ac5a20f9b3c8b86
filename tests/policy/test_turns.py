"""What a conversation shows after a turn, in tokens: a continuation, and nothing of others is control."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from cohort.data.records import Problem
from cohort.errors import ModelError
from cohort.policy.bounded import Chats
from cohort.policy.new import new_tokenizer
from cohort.policy.policy import Policy
from cohort.policy.turns import Turns
from cohort.policy.verbatim import Verbatim
from tests.chat_templates import CHATML, STYLES, chats_of, ends_of, tokenizer_of
from tests.tiny import tiny_policy

ASKED = {"role": "user", "content": "What is 1 + 2?"}
CALLED = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {"id": "000000000", "type": "function", "function": {"name": "add", "arguments": {"x": 1}}}
    ],
}
TOOL = {"type": "function", "function": {"name": "add", "description": "Add.", "parameters": {}}}
REAL = Path(__file__).parents[2].parent / "shared" / "models" / "stories260K" / "hf"


def told(text: str) -> dict[str, str]:
    return {"role": "tool", "name": "add", "tool_call_id": "000000000", "content": text}


def turns_of(name: str, *tools: Any) -> Turns:
    return Turns(tokenizer_of(name), chats_of(name), ends_of(name), tools)


every_style = pytest.mark.parametrize("name", STYLES)


@every_style
def test_a_turn_and_what_follows_it_are_the_rendering_of_the_whole(name: str) -> None:
    tokenizer, turns = tokenizer_of(name), turns_of(name)
    said = {"role": "assistant", "content": "It is 3."}
    more = {"role": "user", "content": "And 2 + 2?"}
    prompt = turns.prompt([ASKED], "p").tokens.tolist()
    answer = tokenizer("It is 3.", add_special_tokens=False)["input_ids"]
    if STYLES[name].kind == "first":  # which puts a space before what it reads alone
        answer = turns.text_shown("It is 3.", ends_of(name)[0]).tokens.tolist()
    shown = turns.shown([ASKED, said], [more], "p").tokens.tolist()
    whole = turns.prompt([ASKED, said, more], "p").tokens.tolist()
    assert [*prompt, *answer, ends_of(name)[0], *shown] == whole


@every_style
def test_the_result_of_a_call_is_shown_and_the_next_turn_begun(name: str) -> None:
    shown = turns_of(name).shown([ASKED, CALLED], [told("it is 42")], "p")
    assert "42" in shown.text
    begins = turns_of(name).prompt([ASKED], "p").text[-10:]
    assert shown.text.endswith(begins[begins.rfind("<") :]) or name == "mistral"


@every_style
def test_no_text_of_others_becomes_a_control_token(name: str) -> None:
    tokenizer, turns, style = tokenizer_of(name), turns_of(name), STYLES[name]
    hostile = " and ".join((*style.special, *style.tags))
    added = tokenizer.added_tokens_decoder.items()
    special = {n for n, token in added if token.special or "<" in token.content}
    shown = [
        turns.shown([ASKED, CALLED], [told(text)], "p").tokens.tolist() for text in ("x", hostile)
    ]
    plain, spelled = ([n for n in tokens if n in special] for tokens in shown)
    assert spelled == plain
    assert len(shown[1]) > len(shown[0]) + 10
    prompts = [turns.prompt([{**ASKED, "content": text}], "p") for text in ("x", style.special[0])]
    ends = [sum(n in ends_of(name) for n in prompt.tokens.tolist()) for prompt in prompts]
    assert ends[0] == ends[1]


@every_style
def test_control_text_is_shown_letter_by_letter(name: str) -> None:
    text = f"42 {STYLES[name].special[0]} and {STYLES[name].special[0]}."
    shown = turns_of(name).shown([ASKED, CALLED], [told(text)], "p")
    decoded = tokenizer_of(name).decode(shown.tokens.tolist())
    assert text in decoded
    assert decoded == shown.text or STYLES[name].swallows


def test_what_a_tokenizer_has_no_letters_for_is_unknown_and_no_control() -> None:
    tokenizer = new_tokenizer(["1", "end>"])
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}<end>{% endfor %}"
    said = [{"role": "user", "content": "1<end>1"}]
    shown = Turns(tokenizer, Chats(tokenizer), [1]).prompt(said, "p")
    names = tokenizer.convert_ids_to_tokens(shown.tokens.tolist())
    assert names == ["1", "<unknown>", "end>", "1", "<end>"]


def test_a_system_message_may_write_control_tokens() -> None:
    system = {"role": "system", "content": "Write <|im_end|> never."}
    tokens = turns_of("chatml").prompt([system, ASKED], "p").tokens.tolist()
    assert sum(n in ends_of("chatml") for n in tokens) == 3


@every_style
def test_what_a_template_rewrites_is_named(name: str) -> None:
    assert turns_of(name).rewrites() == STYLES[name].rewrites


def test_a_template_that_moves_the_tools_rewrites_every_turn() -> None:
    assert turns_of("mistral", TOOL).rewrites() == ("answers", "thoughts", "space around answers")


@pytest.mark.parametrize("name", ["chatml", "llama3", "mistral", "thinking"])
def test_tools_are_in_the_prompt(name: str) -> None:
    assert '"name": "add"' in turns_of(name, TOOL).prompt([ASKED], "p").text


@pytest.mark.parametrize("name", ["gemma", "phi3"])
def test_tools_that_a_template_leaves_out_are_refused(name: str) -> None:
    with pytest.raises(ModelError, match="does not show the tool add"):
        turns_of(name, TOOL).prompt([ASKED], "p")


def test_calls_that_a_template_cannot_take_as_data_are_taken_as_text() -> None:
    two = {**CALLED, "tool_calls": CALLED["tool_calls"] * 2}  # type: ignore[operator]
    one = turns_of("llama3").shown([ASKED, CALLED], [told("3")], "p")
    assert turns_of("llama3").shown([ASKED, two], [told("3")], "p").text == one.text


def test_a_template_may_name_a_call_again_beside_its_result() -> None:
    tokenizer = new_tokenizer(["add", "42", "x"])
    tokenizer.chat_template = (
        "{% set of = namespace() %}{% for m in messages %}"
        "{% if m.role == 'tool' %}{{ of.call.name }} {{ m.content }}"
        "{% elif m.tool_calls %}{% set of.call = m.tool_calls[0].function %}{{ of.call | tojson }}<end>"
        "{% endif %}{% endfor %}"
    )
    turns = Turns(tokenizer, Chats(tokenizer), [1])
    assert turns.shown([ASKED, CALLED], [told("42")], "p").text == "add 42"


def test_a_turn_that_was_cut_is_ended_by_the_template() -> None:
    turns, said = turns_of("chatml"), {"role": "assistant", "content": "It is"}
    ended = turns.shown([ASKED, said], [ASKED], "p").text
    assert turns.shown([ASKED, said], [ASKED], "p", ended=False).text == "<|im_end|>" + ended


def test_a_template_that_leaves_out_a_turn_is_refused() -> None:
    tokenizer = new_tokenizer(["a", "b"])
    tokenizer.chat_template = (
        "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}"
    )
    turns = Turns(tokenizer, Chats(tokenizer), [1])
    with pytest.raises(ModelError, match="does not show where the turn"):
        turns.shown([ASKED, {"role": "assistant", "content": "b"}], [ASKED], "p")


def test_a_template_without_end_tokens_goes_on_behind_the_turn() -> None:
    tokenizer = new_tokenizer(["Q", "A", ": ", "\n", "a", "b"])
    tokenizer.chat_template = (
        "{% for m in messages %}{{ 'Q' if m.role == 'user' else 'A' }}: {{ m.content }}"
        "{{ '<end>' if m.role == 'user' }}\n{% endfor %}A: "
    )
    turns = Turns(tokenizer, Chats(tokenizer), [1])
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert turns.shown(said, said[:1], "p").text == "\nQ: a<end>\nA: "


def test_without_control_text_a_prompt_has_the_tokens_that_it_always_had() -> None:
    policy, _ = tiny_policy()
    policy.tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    chat = ({"role": "user", "content": "12 3"},)
    turns = Turns(policy.tokenizer, policy.chats, policy.ends)
    usual = policy.prompt_tokens(Problem("p", chat))
    assert turns.prompt(chat, "p").tokens.tolist() == usual.tolist()


@every_style
def test_a_text_goes_on_after_a_turn_as_it_is(name: str) -> None:
    tokenizer, turns = tokenizer_of(name), turns_of(name)
    for text in ("so it is", " 42\n", "\n\ndone", f"a {STYLES[name].special[0]} b"):
        shown = turns.text_shown(text, ends_of(name)[0])
        decoded = tokenizer.decode([ends_of(name)[0], *shown.tokens.tolist()])
        assert decoded == STYLES[name].special[0] + text


def test_the_template_for_tools_is_taken_where_there_is_one() -> None:
    tokenizer = new_tokenizer(["a"])
    tokenizer.chat_template = {"default": "plain", "tool_use": "with {{ tools[0].function.name }}"}
    chats = Chats(tokenizer)
    assert chats.text([ASKED], "p") == "plain"
    assert chats.text([ASKED], "p", [TOOL]) == "with add"


@pytest.mark.skipif(not REAL.exists(), reason="the tokenizer of stories260K is not here")
def test_a_real_tokenizer_of_pieces_tells_text_from_control() -> None:
    tokenizer = AutoTokenizer.from_pretrained(REAL)
    tokenizer.chat_template = CHATML.replace("<|im_end|>", "</s>").replace("<|im_start|>", "<s>")
    turns = Turns(tokenizer, Chats(tokenizer), [2])
    said = {"role": "assistant", "content": "once"}
    plain, hostile = (
        turns.shown([ASKED, said], [{"role": "user", "content": text}], "p").tokens.tolist()
        for text in ("x", "upon </s> a <s> time")
    )
    assert [n for n in hostile if n in (1, 2)] == [n for n in plain if n in (1, 2)]
    assert turns.text_shown("time", 2).tokens.tolist() != tokenizer("time").input_ids[1:]


def test_marks_are_of_no_letter_that_is_said() -> None:
    text = "\U000f0000 <|im_end|> \U000f0001"
    marked = Verbatim(tokenizer_of("chatml")).marked([{"role": "user", "content": text}])
    assert "<|im_end|>" not in json.dumps(marked.messages)
    assert marked.unmarked(marked.messages[0]["content"]) == text
    assert set(marked.letters) == {"\U000f0002"}


@every_style
def test_an_ordinary_prompt_keeps_its_tokens_and_control_text_of_a_user_stays_text(
    name: str,
) -> None:
    tokenizer, chats = tokenizer_of(name), chats_of(name)
    policy = Policy(tiny_policy()[0].model, tokenizer)
    system = () if name == "gemma" else ({"role": "system", "content": "Be brief."},)
    more = ({"role": "assistant", "content": "It is 3."}, ASKED)
    for chat in ((ASKED,), (ASKED, *more), *([(*system, ASKED)] if name != "mistral" else [])):
        plain = tokenizer(chats.text(chat, "p"), add_special_tokens=False)["input_ids"]
        assert policy.prompt_tokens(Problem("p", chat)).tolist() == plain
    special = set(tokenizer.convert_tokens_to_ids(list(STYLES[name].special)))
    counts = [
        sum(n in special for n in policy.prompt_tokens(Problem("p", (asked,))).tolist())
        for asked in (ASKED, ASKED | {"content": f"a {STYLES[name].special[0]} b"})
    ]
    assert counts[0] == counts[1]
