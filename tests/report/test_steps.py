"""Answers whose steps were rewarded: each is shown with its text, its reward and its advantage."""

from __future__ import annotations

import io
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
import rich.console

from cohort.data.records import Group, JudgedStep
from cohort.data.store import Store
from cohort.report import read
from cohort.report.html import write_report
from cohort.report.show import show_groups
from tests.report.kept import answers
from tests.report.runs import HOSTILE, group, rollout

LINES = "1+1=2\n2+2=5"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A group of two answers: one of two judged lines, one whose second step is of tokens."""
    first = (JudgedStep(5, 2, 1.0, 0.25), JudgedStep(11, 5, 0.0, -0.75))
    second = (
        JudgedStep(2, 0, 0.5, 1.5),
        JudgedStep(None, 1, -1.0, 0.5),
        JudgedStep(9, 1, 3.0, 0.5),
    )
    plain = group("sum", (0.5, 0.25))
    texts = tuple(rollout(text, tokens=6) for text in (LINES + " so", "ab" + HOSTILE[:7]))
    return _written(tmp_path, replace(plain, rollouts=texts, steps=(first, second)))


def _written(folder: Path, *groups: Group) -> Path:
    store = Store(folder / "run.db")
    store.begin_stage(0, name="learn", kind="reinforce", steps=1)
    store.write_step(0, 1, seconds=1.0, metrics={"reward": 0.5}, groups=groups)
    store.close()
    return folder


def shown(run: Path, width: int = 100) -> str:
    out = io.StringIO()
    screen = rich.console.Console(file=out, width=width, highlight=False)
    show_groups(run, stage=0, step=1, problem="sum", console=screen)
    return out.getvalue()


def test_a_step_has_the_text_from_the_step_before_to_its_end(run: Path) -> None:
    with read.opened(run) as db:
        (found,) = read.groups(db, 0, 1)
    assert [step.text for step in found.rollouts[0].steps] == ["1+1=2", "\n2+2=5"]
    assert found.rollouts[0].rest == " so"
    assert [(s.reward, s.advantage) for s in found.rollouts[0].steps] == [(1.0, 0.25), (0.0, -0.75)]


def test_a_step_of_tokens_and_one_of_the_whole_say_so(run: Path) -> None:
    with read.opened(run) as db:
        (found,) = read.groups(db, 0, 1)
    assert [step.text for step in found.rollouts[1].steps] == ["ab", "(to token 2)", HOSTILE[:7]]
    whole = JudgedStep(len(LINES), 5, 1.0, 0.5)
    again = replace(group("sum"), rollouts=(rollout(LINES),), steps=((whole, whole),))
    folder = run / "other"
    folder.mkdir()
    with read.opened(_written(folder, again)) as db:
        (found,) = read.groups(db, 0, 1)
    assert [step.text for step in found.rollouts[0].steps] == [LINES, "(the whole answer)"]


def test_the_terminal_shows_each_step_under_its_answer(run: Path) -> None:
    lines = shown(run).splitlines()
    assert "    1.000    +0.250  1+1=2" in lines
    assert "    0.000    -0.750  2+2=5" in lines
    assert "   -1.000    +0.500  (to token 2)" in lines


def test_the_report_has_each_step_beside_the_whole_answer(run: Path) -> None:
    (told,) = answers(write_report(run), "group")
    judged = {answer["number"]: answer["steps"] for answer in told["answers"]}
    assert judged[0] == [["1+1=2", 1.0, 0.25], ["\n2+2=5", 0.0, -0.75]]
    assert [text for text, _, _ in judged[1]] == ["ab", "(to token 2)", HOSTILE[:7]]
    assert {answer["text"] for answer in told["answers"]} == {LINES + " so", "ab" + HOSTILE[:7]}


def test_an_answer_without_judged_steps_is_shown_as_it_is(tmp_path: Path) -> None:
    run = _written(tmp_path, group("sum"))
    assert "advantage  step" not in shown(run)
    (told,) = answers(write_report(run), "group")
    assert not any(answer["steps"] for answer in told["answers"])


def test_a_run_of_an_earlier_schema_is_still_read(run: Path) -> None:
    with sqlite3.connect(run / "run.db") as db:
        db.execute("ALTER TABLE rollouts DROP COLUMN steps")
        db.execute("PRAGMA user_version = 4")
    db.close()
    assert "1+1=2" in shown(run)
    assert "advantage  step" not in shown(run)
    write_report(run)
