"""MLflow: metrics in its tracking store (MLFLOW_TRACKING_URI), groups as one JSON table an artifact."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from cohort.report.track.sink import Row, Sink, Tracked

MARK = "cohort.id"
"""The tag by which a run is found that was begun before."""

MOST_PARAMETER = 500
"""Characters of a parameter; MLflow refuses longer ones."""

MOST_AT_ONCE = 100
"""Parameters in one call; MLflow refuses more."""


def open_sink(run: Tracked) -> Sink:
    """A run of an experiment that is called as the project; one that was begun before is gone on with."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client = MlflowClient()
    known = client.get_experiment_by_name(run.project)
    experiment = known.experiment_id if known else client.create_experiment(run.project)
    found = client.search_runs([experiment], f"tags.`{MARK}` = '{run.id}'", max_results=1)
    if found:
        return _MLflow(client, found[0].info.run_id, Metric)
    made = client.create_run(experiment, run_name=run.name, tags={MARK: run.id}).info.run_id
    options = [Param(_name(name), value[:MOST_PARAMETER]) for name, value in run.recipe.items()]
    for first in range(0, len(options), MOST_AT_ONCE):
        client.log_batch(made, params=options[first : first + MOST_AT_ONCE])
    return _MLflow(client, made, Metric)


class _MLflow:
    def __init__(self, client: Any, run: str, metric: Any) -> None:
        self._client, self._run, self._metric = client, run, metric

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        told = [self._metric(_name(name), value, now, step) for name, value in values.items()]
        self._client.log_batch(self._run, metrics=told)

    def groups(self, step: int, rows: Sequence[Row]) -> None:
        table = {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]}
        self._client.log_dict(self._run, table, f"groups/step-{step:06d}.json")

    def close(self) -> None:
        self._client.set_terminated(self._run)


def _name(name: str) -> str:
    """A name as MLflow takes it."""
    return re.sub(r"[^\w\-. :/]", "_", name, flags=re.ASCII)
