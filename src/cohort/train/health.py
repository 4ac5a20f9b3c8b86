"""The health of a run: updates that cannot be made are left out, and what to do when that goes on.

An update whose numbers are not finite changes nothing and is counted. Three in a row, or weights
that an update threw away, take the run back to the last healthy checkpoint, once, with half the
learning rate; the second time the run ends there. A checkpoint is healthy where the step before it
was made, and its KL, where there is one, is not far outside of what it was before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from statistics import median
from typing import Any

from cohort.errors import DivergedError, NotFiniteError

MOST_IN_A_ROW = 3
BACK_OFF = 0.5
"""What a rollback multiplies the learning rate with."""

KL_WINDOW, KL_BAND, KL_FLOOR = 20, 10.0, 0.1
"""A KL above KL_BAND times the median of the last KL_WINDOW steps, and above KL_FLOOR, is not healthy."""


class Health:
    """Counts what went wrong; a checkpoint has it."""

    def __init__(self) -> None:
        self.rate_factor = 1.0
        self.rolled_back = False
        self._in_a_row = 0
        self._kl: deque[float] = deque(maxlen=KL_WINDOW)

    @property
    def healthy(self) -> bool:
        """Whether a checkpoint of this moment is worth going back to."""
        if self._in_a_row:
            return False
        if len(self._kl) < KL_WINDOW:
            return True
        return self._kl[-1] <= max(KL_FLOOR, KL_BAND * median(self._kl))

    def left_out(self, error: NotFiniteError) -> None:
        """An update was left out. Raises DivergedError where too many were, one after another."""
        self._in_a_row += 1
        if self._in_a_row >= MOST_IN_A_ROW:
            raise DivergedError(
                f"{MOST_IN_A_ROW} updates one after another could not be made; in the last one "
                f"{error.message}",
                error.hint,
            )

    def made(self, metrics: Mapping[str, float]) -> None:
        """A step was made, with these metrics."""
        self._in_a_row = 0
        if "kl" in metrics:
            self._kl.append(metrics["kl"])

    def roll_back(self) -> None:
        """Remember that the run was taken back; the state besides is that of the checkpoint."""
        self.rolled_back = True
        self.rate_factor *= BACK_OFF
        self._in_a_row = 0

    def facts(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "rate_factor": self.rate_factor,
            "rolled_back": self.rolled_back,
            "in_a_row": self._in_a_row,
            "kl": list(self._kl),
        }

    def restore(self, facts: Mapping[str, Any]) -> None:
        """What `facts` gave."""
        self.rate_factor = float(facts["rate_factor"])
        self.rolled_back = bool(facts["rolled_back"])
        self._in_a_row = int(facts["in_a_row"])
        self._kl = deque(facts["kl"], maxlen=KL_WINDOW)
