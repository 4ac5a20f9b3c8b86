"""The sinks that wrap libraries, with the real ones, offline, and read back; skipped where one is missing."""

from __future__ import annotations

import json
import os
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cohort.config.track import Track
from cohort.report.track.sinks import track
from tests.report.runs import HOSTILE, write_run

pytestmark = pytest.mark.slow  # a process that loads such a library takes seconds


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = write_run(tmp_path / "run")
    (folder / "recipe.toml").write_text("seed = 7\n")
    return folder


def tell(run: Path, name: str) -> Path:
    """Tell the sink of a run, twice: the second time there is nothing left to say."""
    for _ in range(2):
        track(run, Track(to=[name], project="seen", groups_every_steps=1, wait_seconds=120.0))
    return run / "track" / name


def test_tensorboard_reads_back_every_step_and_text_that_is_no_markup(run: Path) -> None:
    pytest.importorskip("tensorboardX")
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = reading.EventAccumulator(str(tell(run, "tensorboard")))
    events.Reload()
    assert [(one.step, one.value) for one in events.Scalars("loss")] == [(1, 2.0), (2, 1.0)]
    assert [one.step for one in events.Scalars("reward")] == [3, 4, 5]
    assert len(events.Scalars("eval_pass_at_1")) == 2
    texts = [
        one.tensor_proto.string_val[0].decode() for one in events.Tensors("groups/text_summary")
    ]
    assert len(texts) == 3
    assert all(line.startswith("    ") for line in texts[0].split("\n") if line.strip("- "))
    assert HOSTILE not in texts[0]


def test_wandb_keeps_the_run_offline(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    folder = tell(run, "wandb")
    kept = sorted(folder.rglob("*.wandb"))
    assert kept
    history = [own for path in kept for own in _history(path)]
    assert [
        (own["_step"], own["loss"]) for own in history if "loss" in own and own["stage"] == 0
    ] == [
        (1, 2.0),
        (2, 1.0),
    ]
    assert sum("groups" in own for own in history) == 3
    tables = list(folder.rglob("*.table.json"))
    assert {"problem", "answer", "reward"} <= set(json.loads(tables[0].read_text())["columns"])


HEADER, BLOCK = 7, 32768
"""Of a LevelDB log, as wandb writes one: the bytes before it and before a record, and those of a block."""


def _history(path: Path) -> list[dict[str, Any]]:
    from wandb.proto.wandb_internal_pb2 import Record

    found = []
    for data in _records(path.read_bytes()):
        record = Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            found.append({i.key or ".".join(i.nested_key): json.loads(i.value_json) for i in items})
    return found


def _records(data: bytes) -> Iterator[bytes]:
    """The records of a log: whole ones (type 1), and those in a first, middle and last piece (2, 3, 4)."""
    place, whole = HEADER, b""
    while place + HEADER <= len(data):
        if BLOCK - place % BLOCK < HEADER:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, place)
        whole += data[place + HEADER : place + HEADER + length]
        place += HEADER + length
        if kind in (1, 4):
            yield whole
            whole = b""


def test_trackio_keeps_the_run_in_its_own_store(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("trackio")
    monkeypatch.setenv("TRACKIO_DIR", str(run.parent / "trackio"))
    tell(run, "trackio")
    (database,) = (run.parent / "trackio").glob("*seen*.db")
    with sqlite3.connect(database) as db:
        kept = [
            json.loads(text) for (text,) in db.execute("SELECT metrics FROM metrics ORDER BY step")
        ]
    assert [own["loss"] for own in kept if own.get("stage") == 0] == [2.0, 1.0]
    assert sum("groups" in own for own in kept) == 3


def test_mlflow_keeps_metrics_options_and_tables(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    address = (run.parent / "mlruns").as_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    tell(run, "mlflow")
    client = mlflow.MlflowClient(address)
    (found,) = client.search_runs([client.get_experiment_by_name("seen").experiment_id])
    assert found.info.status == "FINISHED"
    assert found.data.params["seed"] == "7"
    kept = client.get_metric_history(found.info.run_id, "loss")
    assert [(one.step, one.value) for one in kept] == [(1, 2.0), (2, 1.0)]
    tables = list((run.parent / "mlruns").rglob("groups/step-*.json"))
    assert len(tables) == 3, os.listdir(run.parent)
