"""Sources of problems: prompts and ids from rows, the held-out split, and the order of training."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cohort.config.stages import Problems
from cohort.data.records import Problem
from cohort.errors import DataError
from cohort.tasks.problems import ProblemSource, given_rows, open_source

GSM8K = Path(__file__).parents[2].parent / "shared" / "data" / "gsm8k"

Rows = Sequence[Mapping[str, Any]]


def source_of(base: Path, rows: Rows, **options: Any) -> ProblemSource:
    (base / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return open_source(Problems(source="rows.jsonl", **options), base)


def only(base: Path, row: dict[str, Any], **options: Any) -> Problem:
    (problem,) = source_of(base, [row], **options).batch(seed=1, purpose="r", step=1, count=1)
    return problem


def refusal(base: Path, rows: Rows, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        source_of(base, rows, **options)
    assert len(str(caught.value).splitlines()) <= 6
    return str(caught.value)


def numbered(count: int) -> Rows:
    return [{"prompt": f"question {i}", "answer": str(i)} for i in range(count)]


def ids(source: ProblemSource, step: int, count: int, seed: int = 1) -> list[str]:
    return [p.id for p in source.batch(seed=seed, purpose="r", step=step, count=count)]


def test_every_column_but_the_prompt_reaches_the_rewards(tmp_path: Path) -> None:
    row = {"ask": "2+2?", "solution": "4", "level": 1}
    problem = only(tmp_path, row, prompt="ask", columns={"answer": "solution"})
    assert problem.prompt == "2+2?"
    assert problem.columns == {"level": 1, "answer": "4"}


def test_a_prompt_is_worded_as_the_options_say(tmp_path: Path) -> None:
    row = {"prompt": "hi", "name": "Ada"}
    user = {"role": "user", "content": "hi"}
    assert only(tmp_path, row, chat=True).prompt == (user,)
    system = {"role": "system", "content": "be brief"}
    assert only(tmp_path, row, system="be brief").prompt == (system, user)
    assert only(tmp_path, {"prompt": [user]}, system="be brief").prompt == (system, user)
    assert only(tmp_path, row, template="{name}: {prompt} {{}}").prompt == "Ada: hi {}"


@pytest.mark.parametrize(
    ("row", "options", "says"),
    [
        ({"promt": "a"}, {}, 'rows.jsonl, line 1 has no column "prompt"; it has promt'),
        ({"promt": "a"}, {}, 'did you mean problems.prompt = "promt"?'),
        ({"question": "a"}, {"template": "{qestion}"}, 'did you mean "{question}"?'),
        ({"question": None}, {"template": "{question}"}, "cannot be filled at rows.jsonl, line 1"),
        ({"question": "a"}, {"template": "{question!r}"}, "cannot be filled"),
        ({"question": "a"}, {"template": "{question"}, "cannot be read"),
        ({"question": "a"}, {"template": "{question.__class__}"}, "the template asks for"),
        ({"prompt": 3}, {}, "rows.jsonl, line 1 has the prompt 3 (int)"),
        ({"prompt": []}, {}, "has the prompt [] (list)"),
        ({"prompt": [{"role": "user"}]}, {}, "message 1 of the prompt is"),
        ({"prompt": ["hi"]}, {}, "message 1 of the prompt is 'hi'"),
        ({"prompt": [{"role": "system", "content": "a"}]}, {"system": "b"}, "has a system message"),
        ({"prompt": "a", "completions": "b"}, {}, 'a column "completions", a name that is taken'),
        ({"prompt": "a", "x": 1, "y": 2}, {"columns": {"y": "x"}}, 'a column "y", a name'),
        ({"prompt": "a", "x": 1}, {"columns": {"y": "z"}}, 'has no column "z"; it has prompt, x'),
    ],
)
def test_a_row_that_cannot_be_asked_is_refused_with_its_place(
    tmp_path: Path, row: dict[str, Any], options: dict[str, Any], says: str
) -> None:
    assert says in refusal(tmp_path, [row], **options)


def test_empty_prompts_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    rows = [{"prompt": p} for p in ("a", " \n", "b", "", "\t")]
    assert "the prompt of rows.jsonl, line 2, and of 2 more is empty" in refusal(tmp_path, rows)


def test_ids_are_the_column_s_or_made_from_the_content(tmp_path: Path) -> None:
    rows = [{"prompt": "a", "id": 7}, {"prompt": "b", "id": 8}]
    assert set(ids(source_of(tmp_path, rows), 1, 2)) == {"7", "8"}
    same = [{"prompt": "a"}, {"prompt": "a"}, {"prompt": "a", "n": 1}]
    short, other, again = sorted(ids(source_of(tmp_path, same), 1, 3), key=lambda i: "#" in i)
    assert again in (f"{short}#2", f"{other}#2")
    assert short != other


def test_an_id_that_occurs_twice_or_is_empty_is_refused(tmp_path: Path) -> None:
    twice = [{"prompt": "a", "id": 7}, {"prompt": "b", "id": "7"}]
    assert 'line 2 has the id "7" of rows.jsonl, line 1' in refusal(tmp_path, twice)
    assert "line 1 has an empty id" in refusal(tmp_path, [{"prompt": "a", "id": None}])


def test_the_held_out_split_depends_on_neither_seed_nor_order(tmp_path: Path) -> None:
    rows = numbered(100)
    held_out = {p.id for p in source_of(tmp_path, rows, held_out_problems=10).held_out()}
    trained = set(ids(source_of(tmp_path, rows, held_out_problems=10), 1, 90))
    random.Random(0).shuffle(rows)
    assert held_out == {p.id for p in source_of(tmp_path, rows, held_out_problems=10).held_out()}
    fewer = {p.id for p in source_of(tmp_path, rows, held_out_problems=4).held_out()}
    assert (len(held_out), len(trained), len(fewer)) == (10, 90, 4)
    assert not held_out & trained
    assert fewer < held_out


def test_the_held_out_split_goes_by_the_prompt_alone(tmp_path: Path) -> None:
    plain = [p.prompt for p in source_of(tmp_path, numbered(100)).held_out()]
    more = [row | {"level": i} for i, row in enumerate(numbered(100))]
    assert [p.prompt for p in source_of(tmp_path, more).held_out()] == plain


def test_at_most_a_fifth_is_held_out_and_no_copy_of_it_is_trained_on(tmp_path: Path) -> None:
    rows = [row | {"copy": n} for row in numbered(20) for n in range(3)]
    source = source_of(tmp_path, rows)
    held_out = [p.prompt for p in source.held_out()]
    trained = {p.prompt for p in source.batch(seed=1, purpose="r", step=1, count=48)}
    assert len(held_out) == len(set(held_out)) == 4
    assert len(trained) == 16
    assert not trained & set(held_out)


def test_a_second_file_is_held_out_and_its_prompts_are_left_out_of_training(tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_text('{"prompt": "question 3"}\n{"prompt": "other"}\n')
    source = source_of(tmp_path, numbered(10), held_out="test.jsonl")
    assert {p.prompt for p in source.held_out()} == {"question 3", "other"}
    trained = {p.prompt for p in source.batch(seed=1, purpose="r", step=1, count=9)}
    assert trained == {f"question {i}" for i in range(10)} - {"question 3"}
    assert "none is left" in refusal(tmp_path, [{"prompt": "other"}], held_out="test.jsonl")


def test_the_order_depends_on_seed_purpose_and_epoch_and_not_on_the_file(tmp_path: Path) -> None:
    rows = numbered(50)
    source = source_of(tmp_path, rows)
    wanted = [ids(source, step, 8) for step in range(1, 12)]
    random.Random(0).shuffle(rows)
    shuffled = source_of(tmp_path, rows)
    assert [ids(shuffled, step, 8) for step in range(11, 0, -1)] == wanted[::-1]
    assert ids(source, 1, 8, seed=2) != wanted[0]
    assert [p.id for p in source.batch(seed=1, purpose="q", step=1, count=8)] != wanted[0]


@pytest.mark.parametrize("count", [1, 3, 7, 8, 13, 16])
def test_every_epoch_asks_every_problem_once_and_no_batch_asks_one_twice(
    tmp_path: Path, count: int
) -> None:
    source = source_of(tmp_path, numbered(20))  # 16 to train on
    batches = [ids(source, step, count) for step in range(1, 65)]
    asked = [problem for batch in batches for problem in batch]
    assert all(len(set(batch)) == count for batch in batches)
    assert not any("~" in problem for problem in asked)
    assert all(len(set(asked[i : i + 16])) == 16 for i in range(0, len(asked) - 15, 16))
    assert asked[:16] != asked[16:32]


def test_too_few_problems_are_asked_again_under_other_ids(tmp_path: Path) -> None:
    source = source_of(tmp_path, [{"prompt": "a", "id": "a"}, {"prompt": "b", "id": "b"}])
    batch = source.batch(seed=1, purpose="r", step=2, count=5)
    assert len({p.id for p in batch}) == 5
    assert {p.id.partition("~")[0] for p in batch} == {"a", "b"}
    assert source.held_out() == []


def test_demonstrations_come_from_the_completion_column(tmp_path: Path) -> None:
    rows = [{"prompt": "a", "completion": "A"}, {"prompt": "b", "completion": [{"content": "B"}]}]
    shown = source_of(tmp_path, rows).demonstrations(seed=1, step=1, count=4)
    assert {(d.problem.prompt, d.completion) for d in shown} == {("a", "A"), ("b", "B")}
    lacking = source_of(tmp_path, [{"prompt": "a", "completon": "A"}])
    with pytest.raises(DataError, match='line 1 has no text in the column "completion"'):
        lacking.demonstrations(seed=1, step=1, count=1)


def test_rows_have_no_rewards_and_no_vocabulary(tmp_path: Path) -> None:
    source = source_of(tmp_path, numbered(1))
    assert source.rewards == {}
    assert source.name == "rows.jsonl"
    with pytest.raises(DataError, match="has no vocabulary"):
        source.vocabulary()


def test_a_task_may_be_put_into_other_words(tmp_path: Path) -> None:
    words = Problems(source="countdown", template="Make {target} of {numbers}!", chat=True)
    plain = open_source(Problems(source="countdown"), tmp_path)
    worded = open_source(words, tmp_path)
    (one,) = worded.batch(seed=1, purpose="r", step=1, count=1)
    (same,) = plain.batch(seed=1, purpose="r", step=1, count=1)
    content = f"Make {same.columns['target']} of {same.columns['numbers']}!"
    assert one == Problem(same.id, ({"role": "user", "content": content},), same.columns)
    assert worded.held_out()[0].prompt != plain.held_out()[0].prompt
    shown = worded.demonstrations(seed=1, step=1, count=1)
    assert shown[0].completion == plain.demonstrations(seed=1, step=1, count=1)[0].completion
    assert set("Make") <= set(worded.vocabulary())


@pytest.mark.parametrize(
    ("source", "options", "says"),
    [
        ("chian", {}, 'did you mean "chain"?'),
        ("chain", {"options": {"nubmers": 3}}, 'did you mean "numbers"?'),
        ("chain", {"options": {"held_out_problems": 3}}, 'has no option "held_out_problems"'),
        ("chain", {"split": "test"}, "problems.split is for rows; chain is a built-in task"),
        ("chain", {"template": "{sum}"}, 'the template asks for "{sum}"'),
    ],
)
def test_tasks_and_options_that_do_not_exist_are_refused(
    tmp_path: Path, source: str, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(DataError) as caught:
        open_source(Problems(source=source, **options), tmp_path)
    assert says in str(caught.value)


def test_built_in_tasks_hold_out_as_many_as_the_options_say(tmp_path: Path) -> None:
    for name in ("chain", "countdown"):
        options = Problems(source=name, held_out_problems=30)
        assert len(open_source(options, tmp_path).held_out()) == 30


@pytest.mark.skipif(not GSM8K.is_dir(), reason="the GSM8K files are not here")
def test_gsm8k_with_a_second_file_trains_on_all_that_is_left() -> None:
    options = Problems(source="train.jsonl", prompt="question", held_out="test.jsonl")
    source = open_source(options, GSM8K)
    held_out = {p.prompt for p in source.held_out()}
    batch = source.batch(seed=1, purpose="r", step=100, count=64)
    assert len(held_out) == 1319
    assert not held_out & {p.prompt for p in batch}
    assert all("####" in str(p.columns["answer"]) for p in batch)


def test_a_template_that_names_no_column_is_refused(tmp_path: Path) -> None:
    assert "names no column" in refusal(tmp_path, [{"prompt": "a"}], template="Answer me.")


def test_half_a_character_in_a_prompt_of_a_function_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def rows(): return ['a', '\\ud800']\n")
    with pytest.raises(DataError, match="item 2 has half of a character"):
        open_source(Problems(source="mine.py:rows"), tmp_path)


def test_a_column_that_cannot_be_written_as_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def rows(): return [{'prompt': 'a', 'b': {1: 2, 'c': 3}}]\n")
    with pytest.raises(DataError, match="item 1 has a column that cannot be written as JSON"):
        open_source(Problems(source="mine.py:rows"), tmp_path)


def test_demonstrations_of_ids_that_look_like_copies_are_those_of_their_own_rows() -> None:
    rows = [{"id": name, "prompt": name, "completion": name} for name in ("a", "a~2", "b~x")]
    source = given_rows(Problems(source="rows"), rows)
    for one in source.demonstrations(seed=1, step=1, count=7):
        assert one.completion == one.problem.prompt


def test_a_task_holds_out_no_more_than_can_be_made_in_seconds() -> None:
    with pytest.raises(DataError, match="held_out_problems is 1000000"):
        open_source(Problems(source="chain", held_out_problems=1_000_000), Path())
