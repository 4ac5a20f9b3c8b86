"""Where else a run is told of, beside its own folder: nowhere, unless a recipe says so."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cohort.config.base import Table


class Track(Table):
    """Programs that are told of a run while it goes on: metrics, and tables of groups. None by default.

    They are told by processes beside the run, which read its store: none can stop or slow it. What is
    wrong with one is said once, and `cohort track RUN --to NAME` says what it missed.
    """

    to: Annotated[list[str], Field(max_length=20)] = []
    """`wandb`, `tensorboard`, `trackio`, `mlflow`, or `file.py:function`; needs the extra of that name."""
    project: Annotated[str, Field(min_length=1, max_length=100)] = "cohort"
    """What the run belongs to there."""
    groups_every_steps: Annotated[int, Field(ge=0)] = 10
    """After so many steps of a stage, groups are told as a table of their answers; 0: never."""
    wait_seconds: Annotated[float, Field(ge=0.0, le=3600.0)] = 30.0
    """How long the end of the run waits for all of them together; what is not done then is ended."""
