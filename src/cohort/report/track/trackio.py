"""trackio: a local store of its own, which `trackio show` opens; groups as tables. No account, no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cohort.report.track.sink import Row, Sink, Tracked


def open_sink(run: Tracked) -> Sink:
    """A run of trackio's; one that was begun before is gone on with."""
    import trackio

    name = f"{run.name}-{run.id}"  # trackio knows a run by its name alone
    trackio.init(project=run.project, name=name, config=dict(run.recipe), resume="allow")
    return _Trackio(trackio)


class _Trackio:
    def __init__(self, trackio: Any) -> None:
        self._trackio = trackio

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self._trackio.log(dict(values), step=step)

    def groups(self, step: int, rows: Sequence[Row]) -> None:
        data = [list(row.values()) for row in rows]
        table = self._trackio.Table(columns=list(rows[0]), data=data)
        self._trackio.log({"groups": table}, step=step)

    def close(self) -> None:
        self._trackio.finish()
