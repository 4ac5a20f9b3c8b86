"""The health of a run that goes on, looked at now and then by the run itself.

A look reads whole series, so it costs more the longer a run is. The next one therefore comes only after a
hundred times what the last one took: looking takes at most 1 % of the time, whatever the run.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

from cohort.report import read
from cohort.report.health.finding import Finding
from cohort.report.health.observed import observe
from cohort.report.health.signs import diagnose

EVERY_SECONDS = 10.0
"""Between two looks at least."""

COST_FACTOR = 100.0
"""Between two looks, in times of what the last one took."""


class Vitals:
    """Looks at one run; the first time after `every_seconds`."""

    def __init__(self, run: Path, *, every_seconds: float = EVERY_SECONDS) -> None:
        self._run, self._every = run, every_seconds
        self._next = time.monotonic() + every_seconds
        self.finding: Finding | None = None
        """What stood first at the last look; None where there was nothing to say."""

    def look(self) -> bool:
        """Look, where it is time; whether another sentence than before is to be said."""
        began = time.monotonic()
        if began < self._next:
            return False
        before = self.finding
        try:
            with read.opened(self._run) as db:
                found = diagnose(observe(db))
        except Exception as error:  # noqa: BLE001 - a fault of a report is not the end of a training
            self._next = math.inf
            self.finding = _not_looked(error)
            return True
        self.finding = found[0] if found else None
        ended = time.monotonic()
        self._next = ended + max(self._every, COST_FACTOR * (ended - began))
        return _which(before) != _which(self.finding)


def _not_looked(error: Exception) -> Finding:
    what = f"{type(error).__name__}: {error}"
    return Finding("not-looked", "note", 0, f"It cannot be looked at: {what}.", "Report it.")


def _which(finding: Finding | None) -> tuple[str, int] | None:
    return None if finding is None else (finding.name, finding.stage)
