"""Weights & Biases: metrics as they are, groups as a table a step.

Who has not logged in uses its offline mode (`WANDB_MODE=offline`); here nobody is asked for a key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cohort.report.track.sink import Row, Sink, Tracked


def open_sink(run: Tracked) -> Sink:
    """A run at W&B; one that was begun before is gone on with."""
    import wandb

    own = wandb.init(
        project=run.project,
        name=run.name,
        id=run.id,
        resume="allow",
        config=dict(run.recipe),
        dir=run.folder,
        settings=wandb.Settings(console="off", disable_git=True, save_code=False),
    )
    return _Wandb(own, wandb.Table)


class _Wandb:
    def __init__(self, run: Any, table: Any) -> None:
        self._run, self._table = run, table

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def groups(self, step: int, rows: Sequence[Row]) -> None:
        data = [list(row.values()) for row in rows]
        self._run.log({"groups": self._table(columns=list(rows[0]), data=data)}, step=step)

    def close(self) -> None:
        self._run.finish()
