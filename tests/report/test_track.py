"""Sinks: what they are told, once, and that what is wrong with one is said and holds nobody up."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cohort.cli.main import app
from cohort.config.track import Track
from cohort.data.store import Store
from cohort.errors import MissingExtraError, RecipeError, RunError
from cohort.report.track import sink as sinks_by_name
from cohort.report.track.sink import Row, check_sinks
from cohort.report.track.sinks import Sinks, track
from cohort.report.track.told import Place, Teller
from tests.report.heard import heard, name
from tests.report.runs import HOSTILE, group, write_run


class Ear:
    """A sink in this process."""

    def __init__(self) -> None:
        self.said: list[tuple[str, int, Any]] = []

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self.said.append(("metrics", step, dict(values)))

    def groups(self, step: int, rows: Sequence[Row]) -> None:
        self.said.append(("groups", step, list(rows)))

    def close(self) -> None:
        self.said.append(("close", 0, None))


def told(run: Path, place: Place | None = None, *, every: int = 1) -> tuple[Ear, Teller]:
    ear = Ear()
    teller = Teller(run, ear, place or Place("id"), groups_every_steps=every)
    while teller.tell():
        pass
    return ear, teller


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


def test_steps_are_counted_over_all_stages_and_evaluations_stand_between(run: Path) -> None:
    ear, _ = told(run, every=0)
    assert [step for _, step, _ in ear.said] == [1, 2, 3, 4, 5, 0, 0]
    assert [own["stage"] for _, _, own in ear.said[:5]] == [0.0, 0.0, 1.0, 1.0, 1.0]
    assert ear.said[0][2]["loss"] == 2.0


def test_what_is_not_finite_is_not_told(run: Path) -> None:
    ear, _ = told(run)
    assert all("kl" not in own for kind, _, own in ear.said if kind == "metrics")


def test_an_evaluation_is_told_with_the_prefix_of_held_out_metrics(run: Path) -> None:
    (*_, (_, _, last)) = told(run)[0].said
    assert last["eval_pass_at_1"] == last["eval_greedy"] == 0.75
    assert {"eval_reward", "eval_pass_at_2"} <= set(last)


def test_a_table_has_the_groups_that_differ_most_and_text_that_can_be_shown(run: Path) -> None:
    ear, _ = told(run)
    rows = next(own for kind, _, own in ear.said if kind == "groups")
    assert [row["problem"] for row in rows[:2]] == ["chain-1", "chain-1"] or rows[0]["reward"] == 1
    assert all(set(row) == set(rows[0]) for row in rows)
    assert not any("\x1b" in str(row) for row in rows)
    assert any("<script>" in str(row["answer"]) for row in rows), HOSTILE


@pytest.mark.parametrize(("every", "tables"), [(0, []), (1, [3, 4, 5]), (2, [4])])
def test_tables_come_after_so_many_steps(run: Path, every: int, tables: list[int]) -> None:
    ear, _ = told(run, every=every)
    assert [step for kind, step, _ in ear.said if kind == "groups"] == tables


def test_what_was_told_is_not_told_again_and_what_comes_is(run: Path, tmp_path: Path) -> None:
    _, teller = told(run)
    teller.place.keep(tmp_path / "place.json")
    store = Store(run / "run.db")
    store.write_step(1, 4, seconds=1.0, metrics={"reward": 0.5})
    store.close()
    kept = Place.of(tmp_path / "place.json", "other")
    assert kept.id == "id"
    assert told(run, kept)[0].said == [("metrics", 6, {"stage": 1.0, "reward": 0.5})]


def test_steps_that_were_taken_back_are_told_again(run: Path) -> None:
    ear, teller = told(run)
    before = len(ear.said)
    store = Store(run / "run.db")
    store.cut(1, 1)
    store.begin_stage(1, name="learn", kind="reinforce", steps=3)
    store.write_step(1, 2, seconds=9.0, metrics={"reward": 0.25}, groups=[group()])
    store.close()
    assert teller.tell() == 1
    assert ear.said[before:][0] == ("metrics", 4, {"stage": 1.0, "reward": 0.25})


def options(*names: str, **more: Any) -> Track:
    return Track(
        to=[name(own) for own in names], wait_seconds=more.pop("wait_seconds", 60.0), **more
    )


def test_a_process_beside_a_run_tells_all_of_it(run: Path) -> None:
    (run / "recipe.toml").write_text("seed = 7\n")
    track(run, options("remembering", project="mine", groups_every_steps=0))
    said = heard(run)
    assert said[0][:2] == ["open", "mine"]
    assert [said[0][2][0], said[0][2][2]] == ["run", "7"]
    assert [kind for kind, _, _ in said[1:]] == ["metrics"] * 7 + ["close"]
    track(run, options("remembering"))
    assert [kind for kind, _, _ in heard(run)[9:]] == ["open", "close"]
    assert heard(run)[9][2] == said[0][2], "the same run, there too"


def test_what_a_sink_raises_is_passed_on_in_one_legible_line(run: Path) -> None:
    with pytest.raises(RunError) as refused:
        track(run, options("failing"))
    assert "failed: ConnectionError: nobody is there" in refused.value.message
    assert "\x1b" not in refused.value.message
    assert "--to" in refused.value.message
    assert "would break the lines" in (run / "track" / "heard-failing.log").read_text()


def test_a_sink_that_hangs_is_ended_when_its_time_is_over(run: Path) -> None:
    began = time.monotonic()
    with pytest.raises(RunError, match=r"was not done 2 s after"):
        track(run, options("hanging", wait_seconds=2.0))
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("sink", "silent_seconds", "what"),
    [("leaving", 60.0, "ended by itself with code 9"), ("hanging", 0.5, "silent for 0.5 s")],
)
def test_the_run_hears_once_that_a_sink_is_gone_or_silent(
    run: Path, sink: str, silent_seconds: float, what: str
) -> None:
    sinks = Sinks(run, options(sink, wait_seconds=0.0), silent_seconds=silent_seconds)
    sinks.begin()
    said: list[str] = []
    until = time.monotonic() + 60
    while not said and time.monotonic() < until:
        said += sinks.news()
        time.sleep(0.05)
    again = sinks.news()
    assert sinks.end() == again == []
    assert what in said[0]
    assert said[0].endswith("; the run goes on without it")


def test_a_sink_that_is_not_installed_is_refused_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sinks_by_name.PACKAGES, "wandb", "a_package_that_is_not_there")
    with pytest.raises(MissingExtraError) as refused:
        check_sinks(["wandb"])
    assert refused.value.hint.startswith("pip install 'cohort-rl[wandb]'")


@pytest.mark.parametrize("wrong", ["wandbb", "nowhere.py:sink", __file__ + ":no name", ""])
def test_a_sink_that_there_is_not_is_refused(wrong: str) -> None:
    with pytest.raises(RecipeError, match=r"track\.to"):
        check_sinks([wrong])


def test_a_sink_that_is_named_twice_is_refused() -> None:
    with pytest.raises(RecipeError, match="twice"):
        check_sinks([name("remembering"), name("failing"), name("remembering")])


def test_the_command_tells_a_run_that_is_there(run: Path) -> None:
    done = CliRunner().invoke(
        app,
        ["track", str(run), "--to", name("remembering"), "--groups-every-steps", "3"],
        catch_exceptions=False,
    )
    assert done.exit_code == 0
    assert [step for kind, step, _ in heard(run) if kind == "groups"] == [5]
    with pytest.raises(RecipeError, match="project"):
        CliRunner().invoke(
            app, ["track", str(run), "--to", "x", "--project", ""], catch_exceptions=False
        )
    with pytest.raises(RunError, match="holds no run"):
        track(run / "nothing", options("remembering"))
    assert json.loads((run / "track" / "heard-remembering.json").read_text())["step"] == 3
