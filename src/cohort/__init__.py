"""Cohort: train language models by Group Relative Policy Optimization, on the machine you have.

The public names are loaded when they are first used, so `import cohort` loads neither torch nor
pydantic. `cohort.train` is the room of that name, and calling it trains: `cohort.train(...)`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cohort.config.load import load_recipe
    from cohort.config.recipe import Recipe
    from cohort.data.records import Group, Problem, Rollout, Score
    from cohort.errors import CohortError
    from cohort.train.api import train

__version__ = "0.1.0"

__all__ = [
    "CohortError",
    "Group",
    "Problem",
    "Recipe",
    "Rollout",
    "Score",
    "__version__",
    "load_recipe",
    "train",
]

_HOMES = {
    "CohortError": "cohort.errors",
    "Group": "cohort.data.records",
    "Problem": "cohort.data.records",
    "Recipe": "cohort.config.recipe",
    "Rollout": "cohort.data.records",
    "Score": "cohort.data.records",
    "load_recipe": "cohort.config.load",
}
"""Public name -> the module that defines it."""


def __getattr__(name: str) -> Any:
    if name == "train":
        # A room and a function at once: once imported it is an attribute here, and callable.
        return importlib.import_module("cohort.train")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
