"""Reading a run back: what was written, while it goes on, and as one JSON document."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import rich.console

from cohort.data.store import Store
from cohort.errors import RunError
from cohort.report import read
from cohort.report.show import show_groups
from cohort.report.summary import plain, summarize
from tests.report.runs import group, write_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "tiny")


def shown(run: Path, **wanted: int | str) -> str:
    stream = io.StringIO()
    show_groups(run, console=rich.console.Console(file=stream, width=80), **wanted)  # type: ignore[arg-type]
    return stream.getvalue()


def test_groups_come_back_with_their_answers_and_scores(run: Path) -> None:
    with read.opened(run) as db:
        first = read.groups(db, 1, 2)[0]
    assert (first.problem, first.mean_reward, first.spread) == ("chain-1", 0.5, 0.5)
    assert [r.tokens for r in first.rollouts] == [2, 3, 4]
    assert [r.parts for r in first.rollouts] == [
        {"correct": 1.0},
        {"correct": 0.0},
        {"correct": None},
    ]


def test_a_value_that_was_not_finite_is_none(run: Path) -> None:
    with read.opened(run) as db:
        assert read.series(db, 1, "kl") == [(1, None), (2, None), (3, None)]
        assert read.series(db, 1, "entropy") == [(1, 1.0), (2, 0.5), (3, 1 / 3)]


def test_an_opened_run_is_one_moment_of_it(tmp_path: Path) -> None:
    run = write_run(tmp_path, finished=False)
    with read.opened(run) as db:
        before = read.steps(db, 1)
        store = Store(run / "run.db")
        store.write_step(1, 4, seconds=1.0, metrics={}, groups=[group()])
        assert read.steps(db, 1) == before
        store.close()
    with read.opened(run) as db:
        assert len(read.steps(db, 1)) == len(before) + 1


def test_examples_are_the_first_problems_whatever_their_answers(run: Path) -> None:
    with read.opened(run) as db:
        examples = read.examples(db, 2)
    assert examples[0] == ("question 0", "reply 0.0", "reply 0.0", True, True)
    assert examples[1] == ("question 1", "reply 1.0", "reply 1.0", False, True)


def test_chat_prompts_are_read_as_a_dialogue(run: Path) -> None:
    from cohort.report.text import prompt_text

    stored = json.dumps([{"role": "user", "content": "2+2"}])
    assert prompt_text(stored) == "user: 2+2"
    assert prompt_text("[1, 2] reversed?") == "[1, 2] reversed?"
    assert prompt_text("[1, 2]") == "[1, 2]"


def test_a_summary_is_strict_json_with_the_evaluations_in_order(run: Path) -> None:
    summary = json.loads(json.dumps(summarize(run), allow_nan=False))
    assert [entry["stage"] for entry in summary["held_out"]] == ["warm", "learn"]
    assert [entry["greedy"] for entry in summary["held_out"]] == [0.25, 0.75]
    assert (summary["recipe"], summary["status"]) == ({"name": "tiny", "seed": 7}, "finished")
    assert summary["seconds"] == 6.25
    learned = summary["stages"][1]
    assert (learned["steps"], learned["steps_planned"], learned["sampled_tokens"]) == (3, 3, 900)
    assert (learned["first"]["entropy"], learned["last"]["kl"]) == (1.0, None)


def test_a_run_that_goes_on_is_summarized_as_far_as_it_is(tmp_path: Path) -> None:
    summary = summarize(write_run(tmp_path, steps=1, finished=False))
    assert summary["seconds"] == pytest.approx(0.2 + 1.5)
    assert summary["status"] == "running"
    assert "1/3 steps" in plain(tmp_path)


def test_a_run_that_has_just_begun_can_be_read(tmp_path: Path) -> None:
    Store(tmp_path / "run.db").close()
    assert summarize(tmp_path)["stages"] == []
    assert plain(tmp_path)
    assert shown(tmp_path)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run"):
        summarize(tmp_path)


def test_without_arguments_show_gives_an_overview_and_the_last_step(run: Path) -> None:
    text = shown(run)
    assert "stage 1: learn (reinforce, 3 of 3 steps)" in text
    assert "75.0 %" in text
    assert text.count("    1     3 ") == 3


def test_a_step_shows_a_row_per_group_and_the_widest_spread_whole(run: Path) -> None:
    text = shown(run, stage="learn", step=2, limit=1)
    assert text.count("    1     2 ") == 3
    assert "problem chain-1" in text
    assert "problem chain-2: " not in text.split("worst")[1].split("\n\n")[1]


def test_a_problem_shows_its_groups_at_every_step(run: Path) -> None:
    text = shown(run, problem="chain-2", limit=1)
    assert text.count("chain-2: prompt of chain-2") == 4


def test_a_step_and_a_problem_show_every_answer_to_its_end(run: Path) -> None:
    text = shown(run, stage=1, step=1, problem="<i>id")
    assert "␛[31m␀[bold]\n&amp;" in text
    assert "reward 1 (<b> 2, correct 1), advantage 1, 4 tokens, stop: end" in text


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ({"stage": "lern"}, r"0 \(warm\), 1 \(learn\)"),
        ({"step": 9}, "steps 1 to 3"),
        ({"step": 2, "problem": "x"}, "such as chain-1, chain-2"),
        ({"stage": 0, "step": 1}, "only reinforce stages"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(
    run: Path, wanted: dict[str, int | str], hint: str
) -> None:
    with pytest.raises(RunError, match=hint):
        shown(run, **wanted)
