"""What a sink is: three things that can be said to another program, and how one is opened by its name.

A sink runs in a process of its own and may do there what it likes, fail and hang included: the run it speaks
of does not wait for it. `file.py:function` is a sink of the user's: the function is given a `Tracked` and
returns the sink.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from cohort.errors import MissingExtraError, RecipeError, legible, listed

Row = Mapping[str, str | float | int | None]
"""A row of a table of groups: one answer. All rows of a table have the same columns."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """The run that is told of.

    name: of its folder. project: what it belongs to. id: its own at this sink, the same where the run is gone
    on with. folder: where the sink may keep files. recipe: every option by its dotted name.
    """

    name: str
    project: str
    id: str
    folder: Path
    recipe: Mapping[str, str]


class Sink(Protocol):
    """Told of a run in order; a step is counted from the run's beginning, over all stages."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """What a step, or the evaluation after it, measured; all values are finite."""

    def groups(self, step: int, rows: Sequence[Row]) -> None:
        """Answers of some groups of a step."""

    def close(self) -> None:
        """Nothing more is said; what was said is to be kept when this returns."""


PACKAGES = {
    "wandb": "wandb",
    "tensorboard": "tensorboardX",
    "trackio": "trackio",
    "mlflow": "mlflow",
}
"""The sinks by name, each with the package it needs; it is imported in the module of the sink alone."""


def label(name: str) -> str:
    """What the files of a sink are called after."""
    file, _, function = name.rpartition(":")
    return f"{Path(file).stem}-{function}" if file else name


def check_sinks(names: Sequence[str]) -> None:
    """Raise RecipeError for a sink that there is not, MissingExtraError for one that is not installed."""
    for place, name in enumerate(names):
        file, _, function = name.rpartition(":")
        if label(name) in map(label, names[:place]):
            raise RecipeError(f"track.to names {legible(name)} twice", "name it once")
        if file.endswith(".py"):
            if not (Path(file).is_file() and function.isidentifier()):
                raise RecipeError(
                    f"track.to names {legible(name)}, which is no function of a file",
                    "give file.py:function, beside the recipe",
                )
        elif name not in PACKAGES:
            raise RecipeError(
                f"track.to names {legible(name)}, which is no sink",
                f"use {listed(list(PACKAGES))}, or file.py:function",
            )
        elif importlib.util.find_spec(PACKAGES[name]) is None:
            raise MissingExtraError(
                f"track.to names {name}, which needs the package {PACKAGES[name]}",
                f"pip install 'cohort-rl[{name}]', or leave it out of track.to",
            )


def open_sink(name: str, run: Tracked) -> Sink:
    """The sink of a name that `check_sinks` has let pass."""
    file, _, function = name.rpartition(":")
    if file.endswith(".py"):
        return _of_file(Path(file), function)(run)
    return import_module(f"cohort.report.track.{name}").open_sink(run)


def _of_file(path: Path, function: str) -> Callable[[Tracked], Any]:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None, path
    assert spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, function)
