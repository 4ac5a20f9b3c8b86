"""Where a step's seconds went: phases that add up, in every run; operators where they are asked for."""

import json
import time
from pathlib import Path

import pytest
import torch

import cohort
from cohort.errors import RecipeError
from cohort.report.phases import PHASES, read_profile
from cohort.report.read import opened
from cohort.train.clock import MOST_OPERATORS, Clock, Recorder
from cohort.train.profile import steps_to_profile
from cohort.train.run import train_recipe
from tests.report.kept import answers
from tests.train.runs import EVERYTHING, REINFORCE, SUPERVISED, metrics, recipe, rows, run

STAGE = REINFORCE | {"steps": 4}
OTHERS = (
    "SELECT * FROM metrics WHERE name NOT LIKE 'time/%' AND name NOT LIKE 'memory/%' "
    "AND name != 'threads_used' "
    "AND name NOT LIKE '%/slowest_seconds' "
    "ORDER BY stage, step, name"
)
BY_STEP = (
    "SELECT seconds, (SELECT SUM(value) FROM metrics m WHERE name LIKE 'time/%' "
    "AND m.stage = s.stage AND m.step = s.step) FROM steps s WHERE stage = 1"
)


@pytest.fixture(scope="module")
def profiled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "profiled"
    made = recipe(SUPERVISED, STAGE)
    return train_recipe(made, run=folder, base=Path.cwd(), name="test", quiet=True, profile=2)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return run(tmp_path_factory.mktemp("runs") / "plain", SUPERVISED, STAGE)


def test_the_phases_of_a_step_add_up_to_its_seconds(plain):
    found = rows(plain, BY_STEP)
    assert len(found) == STAGE["steps"]
    for seconds, phases in found:
        assert phases == pytest.approx(seconds, rel=1e-9)


def test_the_steps_of_a_stage_add_up_to_its_seconds_but_for_its_two_ends(plain):
    ((whole, steps),) = rows(
        plain,
        "SELECT seconds, (SELECT SUM(seconds) FROM steps WHERE stage = 1) FROM stages "
        "WHERE stage = 1",
    )
    assert 0.0 < steps <= whole


def test_every_phase_is_measured_in_every_run(plain):
    seen = metrics(plain, stage=1, step=2)
    assert {name for name in seen if name.startswith("time/")} == {f"time/{p}" for p in PHASES}
    taken = {name for name in PHASES if seen[f"time/{name}"] > 0}
    assert taken == set(PHASES) - {"old_logprobs", "values"}, "one update, no critic"
    assert seen["threads_used"] > 0.0
    assert metrics(plain, stage=1, step=1)["time/saving"] == 0.0


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"algorithm": "dr-grpo"}, {"old_logprobs", "reference_logprobs", "values"}),
        ({"algorithm": "dr-grpo", "updates_per_step": 2}, {"reference_logprobs", "values"}),
        ({"algorithm": "rloo"}, {"values"}),
        ({"algorithm": "ppo", "critic": "head"}, set()),
    ],
    ids=lambda given: ",".join(sorted(given)) if isinstance(given, set) else str(given),
)
def test_a_phase_that_the_algorithm_does_not_have_takes_nothing(changes, missing, tmp_path):
    seen = metrics(run(tmp_path / "run", REINFORCE | changes), stage=0, step=2)
    assert {name for name in PHASES if seen[f"time/{name}"] == 0.0} == missing


def test_a_slow_reward_is_the_rewards_time(tmp_path):
    (tmp_path / "slow.py").write_text(
        "import time\n\ndef slow(completions, **kwargs):\n    time.sleep(0.3)\n"
        "    return [float(len(c)) for c in completions]\n"
    )
    stage = REINFORCE | {"rewards": {f"{tmp_path}/slow.py:slow": 1.0}}
    seen = metrics(run(tmp_path / "run", stage), stage=0, step=2)
    assert seen["time/rewards"] >= 0.3
    assert seen["threads_used"] < 1.0


def test_looking_at_the_time_changes_nothing_else(plain, profiled):
    assert rows(profiled, EVERYTHING) == rows(plain, EVERYTHING)
    assert rows(profiled, OTHERS) == rows(plain, OTHERS)


def test_a_profile_is_of_the_steps_after_the_first(profiled):
    with opened(profiled) as db:
        found = read_profile(db)
    assert (found.stage, found.name, found.steps) == (1, "reinforce", (2, 3))
    assert (found.recorded_step, found.threads) == (4, 1)
    seconds = [own for (own,) in rows(profiled, "SELECT seconds FROM steps WHERE stage = 1")]
    assert found.seconds == pytest.approx(sum(seconds[1:3]) / 2)
    assert found.recorded_seconds == pytest.approx(seconds[3])
    assert sum(found.phases.values()) == pytest.approx(found.seconds)
    own = [metrics(profiled, stage=1, step=step)["time/update"] for step in (2, 3)]
    assert found.phases["update"] == pytest.approx(sum(own) / 2)


def test_a_profile_has_the_operators_of_each_phase(profiled):
    found = json.loads((profiled / "profile.json").read_text())
    operators = found["operators"]
    assert set(operators) >= {"sampling", "reference_logprobs", "update"}
    for table in operators.values():
        assert 0 < len(table) <= MOST_OPERATORS
        assert [row["seconds"] for row in table] == sorted(
            (row["seconds"] for row in table), reverse=True
        )
        assert sum(row["share"] for row in table) <= 1.0 + 1e-9
    names = {phase: {row["name"] for row in table} for phase, table in operators.items()}
    assert any("Backward" in name for name in names["update"])
    assert not any("Backward" in name for name in names["sampling"])


def test_the_report_shows_the_time_with_a_profile_and_without(plain, profiled):
    *_, told = answers(plain / "report.html", "machine")
    assert told["phases"]["sampling"]
    assert told["profile"] is None
    *_, told = answers(profiled / "report.html", "machine")
    assert told["profile"]["steps"] == [2, 3]
    assert told["profile"]["recorded_step"] == 4
    assert any(row["name"].startswith("aten::") for row in told["profile"]["operators"]["sampling"])


def test_the_terminal_says_in_five_lines_where_the_time_went(tmp_path, capsys):
    train_recipe(recipe(STAGE), run=tmp_path / "run", base=Path.cwd(), name="test", profile=2)
    lines = capsys.readouterr().err.splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith("where the time went"))
    assert "steps 2 to 3" in lines[begin]
    assert "of 1 thread used" in lines[begin]
    assert all(line.startswith("  ") for line in lines[begin + 1 : begin + 5])
    assert "step 4 took" in lines[begin + 4]


def test_python_callers_ask_for_a_profile_too(tmp_path):
    options = {k: v for k, v in STAGE.items() if k != "kind"}
    new = {"hidden": 32, "layers": 1, "heads": 2, "key_value_heads": 1, "feed_forward": 64}
    folder = cohort.train(
        model={"new": new}, run=tmp_path / "run", quiet=True, threads=1, profile=1, **options
    )
    assert json.loads((folder / "profile.json").read_text())["steps"] == [2, 2]


@pytest.mark.parametrize("steps", [0, -1, True, "3", 2.0])
def test_what_is_no_number_of_steps_is_refused(steps):
    with pytest.raises(RecipeError, match="at least 1"):
        steps_to_profile(recipe(STAGE), steps)


def test_a_profile_needs_a_reinforce_stage_with_enough_steps(tmp_path):
    assert steps_to_profile(recipe(SUPERVISED, STAGE), 2) == {1: 2}
    with pytest.raises(RecipeError, match="stage reinforce has 4") as refusal:
        steps_to_profile(recipe(SUPERVISED, STAGE), 3)
    assert "stage.reinforce.steps=5" in refusal.value.hint
    with pytest.raises(RecipeError, match="no reinforce stage"):
        train_recipe(
            recipe(SUPERVISED), run=tmp_path / "x", base=tmp_path, name="x", quiet=True, profile=1
        )
    assert not (tmp_path / "x").exists()


def test_a_phase_that_comes_twice_counts_twice_and_a_lap_begins_anew():
    clock = Clock()
    for _ in range(2):
        with clock.phase("rewards"):
            time.sleep(0.01)
    seconds, seen = clock.lap()
    assert 0.02 <= seen["time/rewards"] <= seconds
    assert clock.lap()[1]["time/rewards"] == 0.0


def test_phases_do_not_nest():
    clock = Clock()
    with (
        pytest.raises(AssertionError, match="rewards within sampling"),
        clock.phase("sampling"),
        clock.phase("rewards"),
    ):
        pass


def test_a_recorder_counts_the_calls_of_an_operator_by_phase(capfd):
    clock = Clock()
    clock.recorder = Recorder()
    matrix = torch.ones(3, 3)
    for phase, times in (("sampling", 2), ("update", 1), ("sampling", 3)):
        with clock.phase(phase):
            for _ in range(times):
                torch.mm(matrix, matrix)
    tables = clock.recorder.tables()
    calls = {p: {row.name: row.calls for row in table}["aten::mm"] for p, table in tables.items()}
    assert calls == {"sampling": 5, "update": 1}
    assert sum(row.share for row in tables["update"]) == pytest.approx(1.0)
    assert capfd.readouterr() == ("", "")
