"""The built-in rewards: what counts as an answer, and as the same answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cohort.rewards.reading import final_answer, found_answer, text_of, think_section
from cohort.rewards.rules import correct, has_format, length, mentions, number_in

GSM8K = Path(__file__).parents[2].parent / "shared" / "data" / "gsm8k"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<answer>5</answer> or <answer> 6 </answer>", "6"),
        ("<answer>5</answer> <answer>6", "5"),
        (r"so \boxed{\frac{1}{2}} and 7", r"\frac{1}{2}"),
        (r"\boxed{3 and 4", "4"),
        ("step 3\n#### 1,234 \nmore 5", "1,234"),
        ("first 3, then 16-4=12.", "12"),
        ("it is -12", "-12"),
        ("costs $1,250.50!", "$1,250.50"),
        ("a list 1,2,3", "3"),
        ("three quarters, 3/4", "3/4"),
        ("<think>9</think> it is 8", "8"),
        ("<think>9</think>", None),
        ("<think>the answer is 9", None),
        ("a</think><think>9", None),
        ("nothing", None),
    ],
)
def test_the_answer_is_found_in_this_order(text: str, answer: str | None) -> None:
    assert found_answer(text) == answer


@pytest.mark.parametrize(
    ("given", "gold"),
    [
        ("18", "18"),
        ("18.00", "18"),
        ("1,234", "1234"),
        ("$18", "18"),
        ("50%", "50"),
        ("0.5", "1/2"),
        ("+3", "3"),
        ("Paris.", "paris"),
        ("New  York", "new york"),
        ("$x+1$", "x+1"),
        ("18", "9+9 is 18\n#### 18"),
        ("7", r"so \boxed{7}"),
    ],
)
def test_the_same_answer_in_another_form_is_correct(given: str, gold: str) -> None:
    assert correct(completions=[f"<answer>{given}</answer>"], answer=[gold]) == [1.0]


@pytest.mark.parametrize(
    ("given", "gold"),
    [("18", "180"), ("1,2", "12"), ("0.33333333", "1/3"), ("1/0", "1/1"), ("", "0"), ("9+9", "18")],
)
def test_another_answer_is_not(given: str, gold: str) -> None:
    assert correct(completions=[f"<answer>{given}</answer>"], answer=[gold]) == [0.0]


def test_gold_may_be_a_number_and_without_gold_nothing_can_be_said() -> None:
    said = correct(completions=["18", "18", "18", ""], answer=[18, 18.0, None, 18])
    assert said == [1.0, 1.0, None, 0.0]


def test_numbers_are_exact_and_bounded() -> None:
    assert number_in("0.1") == number_in("1/10")
    assert number_in("1" * 60) is not None
    assert [number_in(text) for text in ("1" * 61, "1e9", "1/0", "12,34", "\u0663", "")] == [
        None
    ] * 6


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<think>a</think><answer>b</answer>", 1.0),
        (" <think>a\nb</think>\n\n<answer>c</answer>\n", 1.0),
        ("<think></think><answer></answer>", 1.0),
        ("<think>a</think>so<answer>b</answer>", 0.0),
        ("<think>a</think><answer>b</answer>.", 0.0),
        ("<think>a<think>b</think><answer>c</answer>", 0.0),
        ("<think>a</think><answer>b</answer><answer>c</answer>", 0.0),
        ("<answer>b</answer><think>a</think>", 0.0),
        ("a</think><answer>b</answer>", 0.0),
    ],
)
def test_the_format_is_one_think_and_one_answer_section(text: str, value: float) -> None:
    assert has_format(completions=[text], prompts=["ask"]) == [value]


def test_a_think_section_that_the_prompt_opened_is_part_of_the_format() -> None:
    chat = [{"role": "user", "content": "ask"}, {"role": "assistant", "content": "<think>\n"}]
    spoken = [{"role": "assistant", "content": "a</think><answer>b</answer>"}]
    prompts = ["ask <think>", chat]
    completions = ["a</think><answer>b</answer>", spoken]
    assert has_format(completions=completions, prompts=prompts) == [1.0, 1.0]
    assert has_format(completions=["<think>a</think><answer>b</answer>"], prompts=[chat]) == [0.0]


def test_length_counts_words_and_is_best_at_the_wanted_number() -> None:
    texts = ["one two three", "", "one  two\nthree four five"]
    assert length(completions=texts, words=3) == [0.0, -3.0, -2.0]
    assert length(completions=["word " * 20]) == [0.0]


def test_a_word_is_mentioned_only_as_a_whole() -> None:
    texts = ["So HAPPY.", "unhappy", "happyness", "sad", "(happy)"]
    assert mentions(completions=texts) == [1.0, 0.0, 0.0, 0.0, 1.0]
    assert mentions(completions=["1+1 = 2"], word="1+1") == [1.0]


def test_of_a_chat_the_last_words_of_the_assistant_count() -> None:
    chat = [
        {"role": "assistant", "content": "1"},
        {"role": "tool", "content": "2"},
        {"role": "assistant", "content": "3"},
        {"role": "user", "content": "4"},
    ]
    assert text_of(chat) == "3"
    assert text_of([]) == ""


def test_sections_are_whole_or_not_there() -> None:
    assert think_section("<think>a</think>b") == "a"
    assert think_section("</think>a<think>") is None
    assert final_answer("so <answer>4</answer> ") == "4"
    assert final_answer("<answer>4</answer> so") is None
    assert final_answer("<answer><answer>4</answer>") is None


@pytest.mark.skipif(not GSM8K.is_dir(), reason="the GSM8K files are not here")
def test_every_gsm8k_answer_is_correct_by_its_own_measure() -> None:
    rows = [json.loads(line) for line in (GSM8K / "train.jsonl").read_text().splitlines()]
    answers = [row["answer"] for row in rows]
    assert len(answers) > 7000
    assert set(correct(completions=answers, answer=answers)) == {1.0}
    moved = [*answers[1:], answers[0]]
    said = correct(completions=answers, answer=moved)
    assert said.count(1.0) < 0.05 * len(said)


@pytest.mark.skipif(not GSM8K.is_dir(), reason="the GSM8K files are not here")
def test_published_solutions_are_judged_as_their_authors_did() -> None:
    lines = (GSM8K / "example_model_solutions.jsonl").read_text().splitlines()
    judged = [
        (row[model]["solution"], row["ground_truth"].rpartition("A: ")[2], row[model]["is_correct"])
        for row in map(json.loads, lines)
        for model in row
        if isinstance(row[model], dict)
    ]
    said = correct(completions=[s for s, _, _ in judged], answer=[g for _, g, _ in judged])
    agreed = sum(value == float(right) for value, (_, _, right) in zip(said, judged, strict=True))
    assert len(judged) > 1000
    assert agreed == len(judged)
