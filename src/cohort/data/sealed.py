"""The labels firewall: columns of a problem of which some cannot be read, and say so when they are.

In a stage that is free of labels every column is sealed but those that the recipe names. A sealed one
is not among the names of the mapping, so what lists columns (a run's store, a reward that takes
everything) never meets it; asking for it by name, with `get` too, raises LabelError.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import final

from cohort.data.records import PART, Problem
from cohort.errors import LabelError, legible


@final
class Sealed(Mapping[str, object]):
    """Columns without those that are sealed."""

    def __init__(
        self,
        open_ones: Mapping[str, object],
        sealed: Iterable[str],
        added: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        """added: those of the open ones that the problem did not come with."""
        self._open, self._sealed = {**open_ones, **added}, frozenset(sealed)
        self.added = dict(added)

    def __getitem__(self, name: str) -> object:
        """Raises LabelError for a sealed column, KeyError for one that is not there."""
        if name in self._open:
            return self._open[name]
        if name in self._sealed:
            raise LabelError(
                f'the column "{legible(name)}" was read in a stage that is free of labels',
                f'where it is no label, say so: teacher.columns = ["{legible(name)}"]',
            )
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return name in self._open

    def __iter__(self) -> Iterator[str]:
        return iter(self._open)

    def __len__(self) -> int:
        return len(self._open)

    def __repr__(self) -> str:
        return f"Sealed({self._open!r}, {len(self._sealed)} sealed)"

    def adding(self, more: Mapping[str, object]) -> Sealed:
        """The same with further columns, which can be read."""
        return Sealed(self._open, self._sealed, {**self.added, **more})


def sealed(problem: Problem, columns: Iterable[str] = ()) -> Problem:
    """The problem with every column sealed but these, and the one that says where in a mix it is from."""
    public = {*columns, PART}
    own = {name: value for name, value in problem.columns.items() if name in public}
    return replace(problem, columns=Sealed(own, set(problem.columns) - set(own)))


def adding(problem: Problem, more: Mapping[str, object]) -> Problem:
    """The problem with further columns; what is sealed stays so."""
    columns = problem.columns
    if not more:
        return problem
    if isinstance(columns, Sealed):
        return replace(problem, columns=columns.adding(more))
    return replace(problem, columns={**columns, **more})


def added_to(problem: Problem) -> dict[str, object]:
    """What was added to a problem with sealed columns."""
    return problem.columns.added if isinstance(problem.columns, Sealed) else {}
