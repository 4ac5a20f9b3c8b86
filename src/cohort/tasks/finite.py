"""Problems from rows: a finite source, its held-out split, and its order.

The split goes by hash of the prompt and the order by hash of the id, so neither depends on where a
row stands in its file. Every epoch asks every training problem once. No rewards come with rows,
and no vocabulary: a data set is asked of a model that has a tokenizer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import final

from cohort.config.lookup import nearest
from cohort.config.stages import Problems
from cohort.data import keyed
from cohort.data.files import Row
from cohort.data.records import Demonstration, Problem
from cohort.errors import DataError, legible, listed
from cohort.tasks.asking import ask_all, key_of
from cohort.tasks.generated import numbered

LARGEST_HELD_OUT_SHARE = 5
"""At most one in this many problems is held out."""

EPOCHS_KEPT = 4


@final
class Finite:
    """The problems of a file, a data set or a function, as a source of batches."""

    rewards: Mapping[str, Callable[..., object]] = {}

    def __init__(self, options: Problems, rows: Sequence[Row], others: Sequence[Row]) -> None:
        """Rows to train on, and `others` to hold out; without others some of the rows are."""
        self.name = options.source
        self._completion = options.completion
        asked = ask_all(rows, options)
        if others:
            apart = ask_all(others, options)
            self._held_out = _first_of_each_prompt(p for p, _ in apart)
        else:
            self._held_out = _smallest(asked, options.held_out_problems)
        kept_out = {key_of(problem.prompt) for problem in self._held_out}
        trained = [(p, row) for p, row in asked if key_of(p.prompt) not in kept_out]
        self._problems = [problem for problem, _ in trained]
        self._rows: dict[str, Row] = {problem.id: row for problem, row in trained}
        self._epochs: dict[tuple[int, str, int, int], list[Problem]] = {}
        if not self._problems:
            raise DataError(
                f"every prompt of {self.name} is held out: none is left to train on",
                f"take {options.held_out} from other problems",
            )

    def batch(self, *, seed: int, purpose: str, step: int, count: int) -> list[Problem]:
        """The training problems of a step: places (step-1)*count to step*count of the epochs.

        No problem occurs twice in a batch, also where an epoch ends within it. With fewer problems
        than `count` copies follow under ids of their own ("...~2"): rollouts are drawn by problem
        id, and two groups of one id would be the same group.
        """
        return [problem for problem, _ in self._asked(seed, purpose, step, count)]

    def demonstrations(self, *, seed: int, step: int, count: int) -> list[Demonstration]:
        """The demonstrations of a step; DataError where the completion column is missing."""
        asked = self._asked(seed, "demonstrations", step, count)
        return [Demonstration(problem, self._completion_of(own_id)) for problem, own_id in asked]

    def check_completions(self) -> None:
        """Raise DataError for the first row without an answer to imitate."""
        for problem_id in self._rows:
            self._completion_of(problem_id)

    def held_out(self) -> list[Problem]:
        """The held-out problems, the same for every seed; none where there are fewer than five."""
        return list(self._held_out)

    def leave_out(self, unwanted: Callable[[Problem], bool]) -> int:
        """Forget the problems that are unwanted; how many they were. To be called before any batch.

        Raises DataError when none would be left to train on.
        """
        before = len(self.known())
        self._held_out = [p for p in self._held_out if not unwanted(p)]
        self._problems = [p for p in self._problems if not unwanted(p)]
        if not self._problems:
            raise DataError(
                f"every problem of {self.name} is too long to be asked",
                "shorten the prompts, or use a model with a longer context",
            )
        return before - len(self.known())

    def reword(self, reworded: Callable[[Problem], Problem]) -> int:
        """Ask every problem in other words; how many have them. To be called before any batch."""
        before = self.known()
        self._held_out = [reworded(p) for p in self._held_out]
        self._problems = [reworded(p) for p in self._problems]
        return sum(new is not old for new, old in zip(self.known(), before, strict=True))

    def known(self) -> list[Problem]:
        """Every problem, held out or not."""
        return [*self._held_out, *self._problems]

    def vocabulary(self) -> list[str]:
        """Refused: rows come with no tokenizer."""
        raise DataError(
            f"{self.name} has no vocabulary for a new model",
            "set model.path to a model with a tokenizer, or begin with a built-in task",
        )

    def _asked(self, seed: int, purpose: str, step: int, count: int) -> list[tuple[Problem, str]]:
        """The problems of a step, each with the id that its row has: a copy's id is another."""
        size = len(self._problems)
        found: dict[str, tuple[Problem, str]] = {}
        for place in range((step - 1) * count, step * count):
            own = self._order(seed, purpose, count, place // size)[place % size]
            problem = numbered(own, found)
            found[problem.id] = (problem, own.id)
        return list(found.values())

    def _order(self, seed: int, purpose: str, count: int, epoch: int) -> list[Problem]:
        """The order of an epoch, counted from 0.

        Where a batch begins in the epoch before, the first problems of this one are those that the
        batch does not have yet. So an order depends on the one before, back to the last epoch that
        began with a batch of its own, which is fewer than `count` epochs ago.
        """
        key = (seed, purpose, count, epoch)
        if key in self._epochs:
            return self._epochs[key]
        ids = [problem.id for problem in self._problems]
        order = keyed.shuffled(self._problems, ids, seed, "order", purpose, epoch)
        begun = epoch * len(ids) % count
        if begun and count <= len(ids):
            before = self._order(seed, purpose, count, epoch - 1)
            order = _continued(order, {problem.id for problem in before[-begun:]}, count - begun)
        self._epochs[key] = order
        for old in list(self._epochs)[:-EPOCHS_KEPT]:
            del self._epochs[old]
        return order

    def _completion_of(self, problem_id: str) -> str:
        row = self._rows[problem_id]
        value = row.values.get(self._completion)
        if isinstance(value, (list, tuple)) and len(value) == 1 and isinstance(value[0], dict):
            value = value[0].get("content")
        if isinstance(value, str) and value:
            return value
        known = [name for name in row.values if name != self._completion]
        near = nearest(self._completion, known) or "the column with the answer to imitate"
        raise DataError(
            f'{row.where} has no text in the column "{legible(self._completion)}"; other columns: '
            f"{listed(known)}",
            f'supervised stages imitate a column: problems.completion = "{legible(near)}"',
        )


def _continued(order: list[Problem], begun: set[str], missing: int) -> list[Problem]:
    """The order with its first `missing` problems that the batch has not yet in front."""
    fresh = [problem for problem in order if problem.id not in begun][:missing]
    chosen = {problem.id for problem in fresh}
    return fresh + [problem for problem in order if problem.id not in chosen]


def _smallest(asked: Sequence[tuple[Problem, Row]], wanted: int) -> list[Problem]:
    """One problem of each prompt with the smallest digests: `wanted`, or a fifth of all."""
    distinct = _first_of_each_prompt(problem for problem, _ in asked)
    share = len(distinct) // LARGEST_HELD_OUT_SHARE
    distinct.sort(key=lambda problem: keyed.digest("held-out", key_of(problem.prompt)))
    return distinct[: min(wanted, share)]


def _first_of_each_prompt(problems: Iterable[Problem]) -> list[Problem]:
    """One problem of each prompt: the one with the smallest id, wherever it stands."""
    by_prompt: dict[str, Problem] = {}
    for problem in sorted(problems, key=lambda problem: problem.id):
        by_prompt.setdefault(key_of(problem.prompt), problem)
    return list(by_prompt.values())
