"""A source that is not there yet: what an earlier stage of the run will have kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn, final

from cohort.data.records import Problem
from cohort.errors import DataError


@final
class Later:
    """Stands for a source until the stage that it is asked in begins."""

    rewards: Mapping[str, Callable[..., object]] = {}

    def __init__(self, name: str) -> None:
        self.name = name

    def batch(self, *, seed: int, purpose: str, step: int, count: int) -> NoReturn:
        """Nobody asks: it was replaced when the stage began."""
        raise AssertionError(f"{self.name} was not opened")

    def demonstrations(self, *, seed: int, step: int, count: int) -> NoReturn:
        """Nobody asks: it was replaced when the stage began."""
        raise AssertionError(f"{self.name} was not opened")

    def held_out(self) -> list[Problem]:
        """Nothing is known yet."""
        return []

    def known(self) -> list[Problem]:
        """Nothing is known yet."""
        return []

    def vocabulary(self) -> list[str]:
        """Refused: what is kept comes with no tokenizer."""
        raise DataError(
            f"{self.name} has no vocabulary for a new model", "begin with a built-in task"
        )
