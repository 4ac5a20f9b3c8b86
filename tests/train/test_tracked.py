"""Sinks of a training: the run is the same with them, whatever they do, and says once what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cohort.config.load import dump_recipe, read_recipe
from cohort.config.toml import parse_toml
from cohort.errors import MissingExtraError
from cohort.report.track import sink as sinks_by_name
from cohort.train.run import train_recipe
from tests.report.heard import heard, name
from tests.train.runs import EVALUATE, EVERYTHING, REINFORCE, recipe, rows, run, weights


def tracked(folder: Path, **track: object) -> Path:
    made = recipe(REINFORCE, EVALUATE)
    own = made.model_copy(update={"track": made.track.model_copy(update=track)})
    return train_recipe(own, run=folder, base=Path.cwd(), name="test", quiet=True)


@pytest.mark.parametrize("worst", ["leaving", pytest.param("hanging", marks=pytest.mark.slow)])
def test_sinks_that_work_fail_and_go_leave_a_run_as_it_is(tmp_path: Path, worst: str) -> None:
    names = [name(own) for own in ("remembering", "failing", worst)]
    folder = tracked(tmp_path / "with", to=names, wait_seconds=15.0, groups_every_steps=1)
    plain = run(tmp_path / "plain", REINFORCE, EVALUATE)
    assert rows(folder, EVERYTHING) == rows(plain, EVERYTHING)
    assert all(torch.equal(own, weights(plain)[key]) for key, own in weights(folder).items())
    told = [text for (text,) in rows(folder, "SELECT text FROM events WHERE text LIKE '%.py:%'")]
    assert sorted(one.split(" ")[0].rpartition(":")[2] for one in told) == ["failing", worst]
    said = heard(folder)
    assert [kind for kind, _, _ in said] == ["open", *["metrics", "groups"] * 2, "metrics", "close"]
    assert "reward" in said[1][2]
    assert "eval_pass_at_1" in said[-2][2]


def test_a_missing_package_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sinks_by_name.PACKAGES, "mlflow", "a_package_that_is_not_there")
    with pytest.raises(MissingExtraError, match="mlflow"):
        tracked(tmp_path / "run", to=["mlflow"])
    assert not (tmp_path / "run").exists()


def test_a_sink_beside_the_recipe_is_found_there(tmp_path: Path) -> None:
    made = recipe(REINFORCE)
    (tmp_path / "mine.py").write_text("def sink(run): raise RuntimeError('seen')\n")
    data = parse_toml(dump_recipe(made)) | {"track": {"to": ["mine.py:sink"]}}
    folder = train_recipe(
        read_recipe(data), run=tmp_path / "run", base=tmp_path, name="test", quiet=True
    )
    ((text,),) = rows(folder, "SELECT text FROM events WHERE text LIKE '%seen%'")
    assert "mine.py:sink failed: RuntimeError: seen" in text
