"""The commands that read runs: what they print, and what they refuse."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cohort.cli.main import app
from cohort.errors import RunError
from cohort.report import plot as plots
from tests.report.runs import write_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


def printed(*arguments: object) -> str:
    done = CliRunner().invoke(
        app, [str(argument) for argument in arguments], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return done.stdout


def test_groups_are_printed_as_json(run: Path) -> None:
    told = json.loads(printed("show", run, "--step", 2, "--problem", "chain-1", "--json"))
    assert [(group["step"], group["problem"]) for group in told] == [(2, "chain-1")]
    assert len(json.loads(printed("show", run, "--groups", 2, "--json"))) == 2


def test_a_comparison_is_a_table_or_json(run: Path) -> None:
    assert "after" in printed("compare", run, run).splitlines()[0]
    told = json.loads(printed("compare", run, run, "--json"))
    assert told[1]["against_first"]["gain"] == 0.0
    assert told[0]["since_begin"]["gain"] == 0.5


def test_a_metric_is_drawn_into_a_file(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
    picture = tmp_path / "entropy.svg"
    assert printed("plot", run, run, "--metric", "entropy", "-o", picture).strip() == str(picture)
    assert picture.read_text().count("<path") > 4


def test_a_metric_that_no_stage_measures_is_refused_with_some_that_are(run: Path) -> None:
    with pytest.raises(RunError, match="no metric nothing") as refused:
        plots._curve(run, "nothing", None)
    assert "completions/" in refused.value.hint


def test_without_a_server_the_extra_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(RunError) as refused:
        CliRunner().invoke(app, ["watch", str(run)], catch_exceptions=False)
    assert "cohort-rl[watch]" in refused.value.hint
