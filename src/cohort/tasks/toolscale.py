"""The task "toolscale": errands at a desk with a database, told in words and done by calling tools.

Its problems are drawn from a domain (see `toolscale_domain`); each is proved sound as it is drawn. Prompts
are chats, so it is for models with a chat template, and the stage says how calls are written.

    system      You work at the desk of a library. ...
    user        Lend Tides to Ann; put Glass on shelf B1
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import numpy as np

from cohort.data.records import Demonstration, Problem
from cohort.errors import DataError
from cohort.rollout.environments import EnvironmentFactory
from cohort.tasks.generated import Drawn, whole
from cohort.tasks.toolscale_desk import DomainDesk, columns_of, prompt_of
from cohort.tasks.toolscale_domain import state_hash, unsound
from cohort.tasks.toolscale_library import LIBRARY, drawn


@final
class ToolScale(Drawn):
    """Assignments in the domain "library" with up to `errands` errands each."""

    name = "toolscale"

    def __init__(self, *, errands: int = 2, held_out_problems: int = 200) -> None:
        self.errands = whole("toolscale", "errands", errands, 1, 4)
        self.rewards: Mapping[str, Callable[..., object]] = MEASURES
        self.environments: Mapping[str, EnvironmentFactory] = {
            "toolscale": functools.partial(DomainDesk, LIBRARY)
        }
        super().__init__(held_out_problems)

    def demonstrations(self, *, seed: int, step: int, count: int) -> list[Demonstration]:
        """Refused: how calls are written is the model's, and not known here."""
        raise _no_text("demonstrations")

    def vocabulary(self) -> list[str]:
        """Refused: a new model has no chat template."""
        raise _no_text("vocabulary for a new model")

    def _draw(self, generator: np.random.Generator) -> Problem:
        assignment = drawn(generator, "", int(generator.integers(1, self.errands + 1)))
        why = unsound(LIBRARY, assignment)
        assert not why, (assignment, why)
        columns = columns_of(assignment)
        problem_id = f"toolscale:{assignment.request}:{state_hash(columns)[:12]}"
        return Problem(problem_id, prompt_of(LIBRARY, assignment), columns)


def _no_text(what: str) -> DataError:
    return DataError(f"toolscale has no {what}", "set model.path to a model with a chat template")


def _respect(name: str, meaning: str) -> Callable[..., list[float | None]]:
    def held(*, episodes: Sequence[Mapping[str, Any] | None], **_: object) -> list[float | None]:
        return [None if one is None else float(bool(one["facts"].get(name))) for one in episodes]

    held.__doc__ = f"1.0 where {meaning}, else 0.0; None where there is no episode."
    return held


MEASURES: Mapping[str, Callable[..., object]] = {
    "solved": _respect("outcome", "the episode is over and right in everything that is judged"),
    "database": _respect("database", "the database is as it should be at the end"),
    "complete": _respect("complete", "every golden call was made"),
    "told": _respect("told", "what was asked for was said"),
}
"""The rewards of domains by name."""
