"""What the terminal shows, through a rich console that writes to a string."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
import rich.console

from cohort.report.console import Console
from cohort.report.lines import sparkline
from cohort.report.statistics import summarize_evaluation
from cohort.report.vitals import Vitals
from tests.report.runs import answers, group, hostile_group, write_run


def recorded(*, terminal: bool = False, width: int = 80) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    inner = rich.console.Console(file=stream, width=width, force_terminal=terminal)
    return Console(["warm", "learn"], console=inner), stream


def test_without_a_terminal_there_are_no_control_characters() -> None:
    console, stream = recorded()
    with console:
        console.begin_stage("learn", "reinforce", 2)
        console.step(1, {"reward": 0.5}, 1.0)
        console.group(hostile_group())
        console.warn("\x1b[31mred")
    assert all(character.isprintable() or character == "\n" for character in stream.getvalue())


def test_a_models_text_cannot_become_markup() -> None:
    console, stream = recorded()
    console.group(hostile_group())
    assert "[bold]⏎&amp;" in stream.getvalue()
    assert "␛[31m␀" in stream.getvalue()


def test_answers_are_sorted_by_advantage() -> None:
    console, stream = recorded()
    console.group(group(rewards=(0.0, 1.0, None)))
    order = [line.split()[-1] for line in stream.getvalue().splitlines()[2:]]
    assert order == ["1", "2", "0"]


def test_a_group_does_not_exceed_the_width() -> None:
    console, stream = recorded(width=60)
    console.group(hostile_group())
    assert max(map(len, stream.getvalue().splitlines())) <= 60


def test_rows_align_with_their_headings() -> None:
    console, stream = recorded()
    console.begin_stage("learn", "reinforce", 200)
    console.step(1, {"reward": 0.5, "reward_std": 0.25, "grad_norm": 1.5, "kl": 0.001}, 1.25)
    header, row = stream.getvalue().splitlines()[-2:]
    assert len(header) == len(row) <= 80
    assert row.split() == [
        "1/200",
        "0.500",
        "0.250",
        "-",
        "-",
        "-",
        "0.0010",
        "1.5",
        "1.25",
        "4:09",
    ]


def test_kl_has_a_column_only_where_it_is_measured() -> None:
    console, stream = recorded()
    console.begin_stage("learn", "reinforce", 2)
    console.step(1, {"reward": 0.5}, 1.0)
    assert " kl " not in stream.getvalue()


def test_a_supervised_stage_prints_about_twenty_lines() -> None:
    console, stream = recorded()
    console.begin_stage("warm", "supervised", 800)
    for step in range(1, 801):
        console.step(step, {"loss": 1.0, "num_tokens": 50.0 * step}, 0.5)
    rows = [line for line in stream.getvalue().splitlines() if "/800" in line]
    assert len(rows) == 21
    assert rows[-1].split() == ["800/800", "1.0000", "100", "0.0", "s"]


def test_a_resumed_stage_does_not_count_the_tokens_before_it() -> None:
    console, stream = recorded()
    console.begin_stage("warm", "supervised", 10)
    for step in (8, 9, 10):
        console.step(step, {"num_tokens": 100.0 * step}, 2.0)
    rows = [line.split()[2] for line in stream.getvalue().splitlines() if "/10" in line]
    assert rows == ["-", "50", "50"]


def test_the_bar_goes_away() -> None:
    console, stream = recorded(terminal=True)
    with console:
        console.begin_stage("learn", "reinforce", 3)
        console.step(1, {}, 1.0)
    hidden, shown = stream.getvalue().count("\x1b[?25l"), stream.getvalue().count("\x1b[?25h")
    assert hidden == shown == 1


def test_quiet_prints_warnings_only() -> None:
    stream = io.StringIO()
    console = Console([], quiet=True, console=rich.console.Console(file=stream))
    console.begin_stage("learn", "reinforce", 1)
    console.step(1, {}, 1.0)
    console.note("a note")
    console.warn("look")
    console.summary([], [], report=Path("r"), model=Path("m"), seconds=1.0)
    assert stream.getvalue() == "warning: look\n"


def test_the_end_says_what_changed_and_where_everything_is() -> None:
    console, stream = recorded()
    rows = [(name, summarize_evaluation(answers(n), samples=2)) for name, n in (("a", 1), ("b", 3))]
    example = ("2+3=", "6", "5", False, True)
    console.summary(rows, [example], report=Path("r.html"), model=Path("m"), seconds=93.0)
    text = stream.getvalue()
    for part in ("25.0 %", "75.0 %", "[4.6, 69.9]", "before wrong  6", "after right  5", "1:33"):
        assert part in text, part
    assert 'cohort sample m "..."' in text
    assert "r.html" in text


def test_a_sparkline_rises_where_values_rise_and_is_never_too_wide() -> None:
    assert sparkline([0.0, 0.5, 1.0]) == "▁▅█"
    assert sparkline([2.0, 2.0]) == "▁▁"
    assert sparkline([]) == ""
    assert sparkline([float("nan"), 1.0]) == "▁"
    assert len(sparkline(list(range(1000)))) == 24


@pytest.fixture(scope="module")
def sick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("sick") / "run")  # some answers have no score


def test_a_sick_run_says_so_once_and_where_there_is_no_terminal_in_a_line(sick: Path) -> None:
    stream = io.StringIO()
    inner = rich.console.Console(file=stream, width=200)
    vitals = Vitals(sick, every_seconds=0.0)
    with Console(["learn"], console=inner, vitals=vitals) as console:
        console.begin_stage("learn", "reinforce", 4)
        for step in (1, 2):
            console.step(step, {"reward": 0.5}, 1.0)
            vitals._next = 0.0
    said = [line for line in stream.getvalue().splitlines() if line.startswith("health: ")]
    assert len(said) == 1
    assert vitals.finding is not None
    assert vitals.finding.sentence in said[0]


def test_a_fault_of_the_look_is_said_once_and_does_not_end_the_run(tmp_path: Path) -> None:
    vitals = Vitals(tmp_path / "nothing", every_seconds=0.0)
    assert vitals.look()
    assert vitals.finding is not None
    assert "RunError" in vitals.finding.sentence
    assert not vitals.look()


def test_looking_at_the_health_takes_a_hundredth_of_the_time_at_most(sick: Path) -> None:
    vitals = Vitals(sick, every_seconds=0.0)
    began = time.monotonic()
    assert vitals.look()
    took = time.monotonic() - began
    assert vitals._next - time.monotonic() > 50 * took
    assert not vitals.look(), "it is not time yet"
