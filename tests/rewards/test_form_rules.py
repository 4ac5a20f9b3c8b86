"""Rewards for form: which texts have it, and that no text takes long."""

from __future__ import annotations

import time

import pytest

from cohort.errors import RewardError
from cohort.rewards.built_in import BUILT_IN
from cohort.rewards.code.found import python_in, rust_in
from cohort.rewards.form_rules import choice, chosen_letter, json_form, matches, soft_format
from cohort.rewards.json_schema import NotJson, check_schema, is_valid, read_json
from cohort.rewards.rules import has_format
from cohort.rewards.teacher.reference import Reference

WHOLE = "<think>a</think><answer>b</answer>"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (WHOLE, 1.0),
        ("so " + WHOLE + " and more", 1.0),
        ("a</think><answer>b</answer>", 0.75),
        ("<answer>b</answer>", 0.5),
        ("<answer>b</answer><think>a</think>", 0.5),
        (WHOLE + "<answer>", 0.75),
        (WHOLE + WHOLE, 0.0),
        ("", 0.0),
    ],
)
def test_the_soft_format_pays_a_quarter_for_each_tag_at_its_place(text: str, value: float) -> None:
    assert soft_format(completions=[text]) == [value]


def test_a_text_of_the_strict_form_has_the_soft_one_whole() -> None:
    for text in (WHOLE, f" {WHOLE}\n", "<think></think>\n<answer></answer>"):
        assert has_format(completions=[text]) == soft_format(completions=[text]) == [1.0]
    assert soft_format(completions=["a</think><answer>b</answer>"], prompts=["ask <think>"]) == [
        1.0
    ]


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        (" (b) ", "B"),
        ("**C**", "C"),
        ("B. Paris", "B"),
        ("B) Paris", "B"),
        ("<think>A or C</think><answer>C</answer>", "C"),
        (r"so \boxed{D}.", "D"),
        ("Since 2 > 1, the answer is (B).", "B"),
        ("Answer: A\nNo. Answer: C", "C"),
        ("the answer is **B**", "B"),
        ("A, B", None),
        ("A) B)", None),
        ("A. B", None),
        ("<answer>A or B</answer>", None),
        (r"\boxed{A, B}", None),
        ("the answer is a dog", None),
        ("Bananas", None),
        ("<think>the answer is B.", None),
        ("", None),
    ],
)
def test_a_choice_is_one_letter(text: str, letter: str | None) -> None:
    assert chosen_letter(text) == letter


def test_a_choice_is_compared_with_the_gold_letter_in_any_of_its_forms() -> None:
    said = choice(completions=["B"] * 5, answer=["B", "(b)", "B.", "C", "Paris"])
    assert said == [1.0, 1.0, 1.0, 0.0, None]
    assert choice(completions=["B"], answer=[None]) == [None]


def test_json_may_stand_alone_in_a_fence_or_in_the_answer() -> None:
    good = [
        '{"a": 1}',
        '```json\n{"a": 1}\n```',
        '<think>{</think><answer> {"a": 1} </answer>',
        "3",
    ]
    bad = [
        'see {"a": 1}',
        "{'a': 1}",
        '{"a": 1} {"a": 1}',
        "NaN",
        '{"a": 1, "a": 2}',
        "",
        "<think>1",
    ]
    assert json_form(completions=good) == [1.0] * len(good)
    assert json_form(completions=bad) == [0.0] * len(bad)


def test_json_is_held_to_the_schema_of_the_recipe() -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "minLength": 1}, "age": {"type": "integer"}},
        "required": ["name"],
        "additionalProperties": False,
    }
    texts = ['{"name": "A", "age": 3}', '{"name": ""}', '{"age": 3}', '{"name": "A", "b": 1}', "[]"]
    assert json_form(completions=texts, schema=schema) == [1.0, 0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("schema", "valid", "invalid"),
    [
        ({"type": "integer"}, "1.0", "1.5"),
        ({"type": ["number", "null"]}, "null", "true"),
        ({"enum": [1, "a"]}, "1.0", "true"),
        ({"const": {"a": [1]}}, '{"a": [1.0]}', '{"a": [true]}'),
        ({"items": {"type": "string"}, "maxItems": 1}, '["a"]', '["a", "b"]'),
        ({"uniqueItems": True}, "[1, true]", "[1, 1.0]"),
        ({"minimum": 1, "exclusiveMaximum": 2}, "1", "2"),
        ({"multipleOf": 0.1}, "0.3", "0.35"),
        ({"pattern": "^a"}, '"ab"', '"ba"'),
        ({"oneOf": [{"type": "integer"}, {"minimum": 2}]}, "1", "3"),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, '""', "0"),
        ({"allOf": [{"minimum": 0}, {"maximum": 1}]}, "1", "2"),
        ({"not": {"type": "string"}}, "1", '"a"'),
        ({"minProperties": 1, "maxProperties": 1}, '{"a": 1}', "{}"),
        ({"items": False}, "[]", "[1]"),
        ({"minimum": 0}, '"text is no number"', "-1"),
    ],
)
def test_each_keyword_of_a_schema_holds(schema: dict, valid: str, invalid: str) -> None:
    check_schema(schema)
    assert is_valid(read_json(valid), schema)
    assert not is_valid(read_json(invalid), schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"propertys": {}},
        {"type": "text"},
        {"minItems": -1},
        {"properties": {"a": {"format": "date"}}},
        {"anyOf": []},
        {"pattern": "("},
        {"required": "name"},
        {"items": 3},
    ],
)
def test_a_schema_that_would_be_ignored_is_refused(schema: dict) -> None:
    with pytest.raises(RewardError):
        json_form(completions=["1"], schema=schema)


def test_json_that_is_too_deep_or_too_large_is_no_json() -> None:
    texts = ["[" * 50_000 + "]" * 50_000, "9" * 90_000, '"' + "a" * 200_000 + '"']
    assert json_form(completions=texts, schema={"uniqueItems": True}) == [0.0, 0.0, 0.0]
    with pytest.raises(NotJson):
        read_json("[" * 50_000)


def test_a_pattern_is_searched_for_or_must_match_the_whole_text() -> None:
    texts = ["a 12", "12", "no", "1\n2"]
    assert matches(completions=texts, pattern="[0-9]+") == [1.0, 1.0, 0.0, 1.0]
    assert matches(completions=texts, pattern="[0-9].*", whole=True) == [0.0, 1.0, 0.0, 1.0]
    assert matches(completions=["1" * 100_001], pattern="1") == [0.0]
    for pattern in ("", "(", "a{99999999999}"):
        with pytest.raises(RewardError):
            matches(completions=["a"], pattern=pattern)


ADVERSARIAL = [
    piece * (100_000 // len(piece)) + " x"
    for piece in (
        "<think>", "</think>", "<answer>", "</answer>", WHOLE, "<think>a</think>", "answer is ",
        "answer:(((", " ", "\n", "*", "B) ", "(B", "\\boxed{", "{", "[", "```json\n", "1,", "1,111",
        "####", "$1", "-", "1/", "a ", "字", "é", "\x00", "\u202e", "0.", "\"", "answer    (",
    )
]  # fmt: skip


def given_to(text: str) -> dict[str, list]:
    return {
        "completions": [text],
        "answer": ["B is 1,234"],
        "completion_ids": [[1] * 9],
        "reference": [Reference("B is 1,234").as_column()],
    }


NO_RULES = ("matches", "python", "rust", "classifier", "endpoint", "judge", "rubric", "orchestra")
"""A pattern of the user's; programs, models and services, with deadlines instead; what reads no text."""


@pytest.mark.parametrize("name", [name for name in BUILT_IN if name not in NO_RULES])
def test_no_text_of_100_kb_takes_a_rule_long(name: str) -> None:
    slowest = 0.0
    for text in ADVERSARIAL:
        began = time.process_time()
        BUILT_IN[name](**given_to(text))
        slowest = max(slowest, time.process_time() - began)
    assert slowest < 0.5


@pytest.mark.parametrize("find", [python_in, rust_in])
def test_no_text_of_100_kb_hides_its_program_for_long(find) -> None:
    slowest = 0.0
    for text in ADVERSARIAL:
        began = time.process_time()
        find(text)
        slowest = max(slowest, time.process_time() - began)
    assert slowest < 2.0
