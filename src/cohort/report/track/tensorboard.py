"""TensorBoard: an event file in the run's folder, by tensorboardX; `tensorboard --logdir runs` reads it.

It has no tables: groups are text, and a model's text is shown as text, in a block that no markup gets out of.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cohort.report.track.sink import Row, Sink, Tracked


def open_sink(run: Tracked) -> Sink:
    """An event file behind those that are there."""
    from tensorboardX import SummaryWriter

    return _TensorBoard(SummaryWriter(logdir=str(run.folder)), run.recipe)


class _TensorBoard:
    def __init__(self, writer: Any, recipe: Mapping[str, str]) -> None:
        self._writer = writer
        writer.add_text("recipe", _block(recipe), 0)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def groups(self, step: int, rows: Sequence[Row]) -> None:
        self._writer.add_text("groups", "\n\n---\n\n".join(map(_block, rows)), step)

    def close(self) -> None:
        self._writer.close()


def _block(values: Mapping[str, object]) -> str:
    """Names and values, a line each, every one indented: to Markdown that is code, whatever it says."""
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    return "\n".join(f"    {line}" for line in lines)
