"""`cohort eval`: models, runs and checkpoints on the same problems with the same draws."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cohort.cli.main import app
from cohort.errors import DataError, RunError
from cohort.train.candidates import candidates
from cohort.train.run import train_recipe
from cohort.train.state import weights_of
from tests.train.runs import SUPERVISED, recipe, weights


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    made = recipe({**SUPERVISED, "steps": 4})
    often = made.checkpoints.model_copy(update={"every_steps": 2, "keep": 3})
    made = made.model_copy(update={"checkpoints": often})
    return train_recipe(made, run=folder, base=Path.cwd(), name="test", quiet=True)


def evaluated(*arguments: object) -> dict[str, Any]:
    given = ["eval", *map(str, arguments), "--rewards", "correct", "--samples", "2", "--json"]
    given += ["--max-new-tokens", "8", "--set", "threads=1"]
    done = CliRunner().invoke(app, given, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


PROBLEMS = ("--problems", "chain", "--set", "stage.0.problems.held_out_problems=6")


def test_every_checkpoint_of_a_run_is_held_against_the_first(run: Path) -> None:
    found = evaluated(run, *PROBLEMS, "--checkpoints")
    assert [one["policy"].rpartition(" ")[2] for one in found["policies"]] == ["0", "2", "4"]
    assert [one["against_first"] is None for one in found["policies"]] == [True, False, False]
    assert found["best"] in [one["policy"] for one in found["policies"]]


def test_a_run_stands_for_its_result_and_draws_do_not_depend_on_the_name(run: Path) -> None:
    found = evaluated(run, run / "model", *PROBLEMS)
    one, other = found["policies"]
    assert other["against_first"]["gain"] == 0.0
    names = ("policy", "against_first")
    assert {k: v for k, v in one.items() if k not in names} == {
        k: v for k, v in other.items() if k not in names
    }


def test_the_last_checkpoint_of_a_finished_run_is_its_result(run: Path) -> None:
    model = recipe(SUPERVISED).model
    *_, last = candidates(str(run), model, seed=1, checkpoints=True)
    own = weights_of(last.load())
    assert all(bool((own[name] == value).all()) for name, value in weights(run).items())


def test_results_are_told_apart_by_a_column(run: Path, tmp_path: Path) -> None:
    rows = [
        {"prompt": f"{n}+1=", "answer": str(n + 1), "kind": "odd" if n % 2 else "even"}
        for n in range(40)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    given = ("--problems", tmp_path / "rows.jsonl")
    (found,) = evaluated(run, *given, "--category", "kind")["policies"]
    assert set(found["categories"]) == {"even", "odd"}
    assert sum(own["problems"] for own in found["categories"].values()) == found["problems"] == 8
    with pytest.raises(DataError, match="no column 'sort'"):
        evaluated(run, *given, "--category", "sort")


def test_what_has_no_checkpoints_is_refused(run: Path) -> None:
    with pytest.raises(RunError, match="is no run"):
        candidates(str(run / "model"), recipe(SUPERVISED).model, seed=1, checkpoints=True)
