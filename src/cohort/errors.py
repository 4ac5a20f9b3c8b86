"""Everything that Cohort can refuse, as one tree. Nothing here imports anything of Cohort.

    CohortError
    |-- RecipeError      an option, a recipe file, a combination of options          exit 2
    |-- DataError        problems: a file, a row, a column, a prompt                 exit 2
    |-- ModelError       a model folder, a tokenizer, an architecture                exit 2
    |-- RewardError      a reward function, or what it returned                      exit 2
    |-- LabelError       a label that was read where training is free of labels       exit 2
    |-- RunError         a run folder: missing, taken, or of another recipe          exit 2
    |-- MissingExtraError  an optional package that is not installed                 exit 2
    |-- RewardsFailedError  rewards that failed for more answers than is allowed      exit 75
    |-- StorageError     a disk that is full, read-only or failing                  exit 7
    |-- TrainingError    a number that is not finite, a step that cannot be done     exit 1
    |   |-- NotFiniteError  where the first such number of an update was found
    |   `-- DivergedError   weights that cannot be gone on from
    `-- Interrupted      the user stopped the run; says how far it got   exit 130, SIGTERM 143

A message says what is wrong, the value seen and where; the hint says what to do. The command line
prints both in at most six lines. What it quotes of the user's is made `legible` first. Mistakes of the
user raise these; `assert` is for our own invariants.
"""

from __future__ import annotations

from collections.abc import Iterable


class CohortError(Exception):
    """A refusal with its remedy; `exit_code` is what the command line ends with."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class RecipeError(CohortError):
    """An option that does not exist, has the wrong type, or contradicts another."""


class DataError(CohortError):
    """Problems that cannot be read or asked."""


class ModelError(CohortError):
    """A model or tokenizer that cannot be loaded, or cannot be trained as it is."""


class RewardError(CohortError):
    """A reward function that raised, or returned what is not a reward."""


class LabelError(CohortError):
    """A label that was read, or would be, in a stage that is free of labels."""


class RewardsFailedError(CohortError):
    """What reward functions run on failed too often to learn on; the same command goes on later."""

    exit_code = 75


class RunError(CohortError):
    """A run folder that is missing, taken, or holds another recipe's run."""


class MissingExtraError(CohortError):
    """An optional package is needed; the hint names the extra that brings it."""


class StorageError(CohortError):
    """A disk that did not take what was to be saved; what was saved before is intact."""

    exit_code = 7


class TrainingError(CohortError):
    """Training met something it must not go on with."""

    exit_code = 1


class NotFiniteError(TrainingError):
    """A NaN or an infinity, where it was found first; nothing was changed by the update."""


class DivergedError(TrainingError):
    """Weights that an update threw away; the last healthy checkpoint is what there is."""


class Interrupted(CohortError):
    """The user stopped the run; what was done until then is saved."""

    exit_code = 130


class Terminated(Interrupted):
    """The system asked for the end of the run (SIGTERM); what was done until then is saved."""

    exit_code = 143


def legible(text: str, most: int = 60) -> str:
    """A text as a message may hold it: cut, on one line, what cannot be printed escaped."""
    cut = text if len(text) <= most else text[: most - 3] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


def listed(names: Iterable[str], most: int = 12) -> str:
    """Names as a message may list them: the first few, and how many more there are."""
    known = list(names)
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return ", ".join(legible(name) for name in known[:most]) + more
