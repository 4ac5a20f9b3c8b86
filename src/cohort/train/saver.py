"""Saves checkpoints from another thread, so that a step waits for a copy in memory only; or while the run
waits, from the weights themselves.

One save is on its way at a time. What it fails with is raised at the next step: a run whose
checkpoints cannot be written stops, and those that were written are intact. A state with a number
that is not finite is never written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitedTooLongError

from cohort.config.recipe import Saving
from cohort.data.checkpoints import Checkpoints
from cohort.data.disk import refusing
from cohort.errors import DivergedError, StorageError
from cohort.train.state import Snapshot, Tensors, encoded, first_not_finite

LONGEST_WAIT_SECONDS = 1800.0
"""For one save; a disk that takes longer is taken to be dead."""


class Saver:
    """Writes snapshots, and knows when the next one is due."""

    def __init__(self, checkpoints: Checkpoints, options: Saving) -> None:
        self._checkpoints, self._options = checkpoints, options
        self._pool = ThreadPoolExecutor(1, "cohort-saver")
        self._going: Future[None] | None = None
        self._began = time.monotonic()
        self._steps = 0
        self._spare: Mapping[str, Tensors] = {}

    @property
    def in_background(self) -> bool:
        """Whether the run goes on while a snapshot is written; it is a copy then."""
        return self._options.in_background

    def spare(self) -> Mapping[str, Tensors]:
        """The memory of the last snapshot, for the next one; waits until that one is saved."""
        self.wait()
        return self._spare

    def count_step(self) -> None:
        """A step more has gone by since the last save. Raises what the last save failed with."""
        self._steps += 1
        if self._going is not None and self._going.done():
            self.wait()

    @property
    def is_due(self) -> bool:
        """Whether it is time for a checkpoint; never where one is still on its way, if time decides."""
        every = self._options.every_steps
        if every and self._steps >= every:
            return True
        old = time.monotonic() - self._began >= self._options.every_seconds
        return old and self._going is None

    def save(
        self, number: int, taken: Snapshot, *, healthy: bool, then: Callable[[], None]
    ) -> None:
        """Begin to save; waits for the save before. `then` is called once this one is durable.

        Where that is not in the background, it is at the end of this call.
        """
        self.wait()
        self._began, self._steps = time.monotonic(), 0
        self._going = self._pool.submit(self._write, number, taken, healthy, then)
        if not self.in_background:
            self.wait()

    def wait(self) -> None:
        """Until what was begun is saved. Raises StorageError."""
        if self._going is None:
            return
        going, self._going = self._going, None
        try:
            going.result(timeout=LONGEST_WAIT_SECONDS)
        except WaitedTooLongError:
            raise StorageError(
                f"a checkpoint was not written within {LONGEST_WAIT_SECONDS / 60:.0f} minutes",
                "look at the disk, then give the same command again",
            ) from None

    def close(self) -> None:
        """No more saves; one that is on its way is let end."""
        self._pool.shutdown(wait=True)

    def _write(self, number: int, taken: Snapshot, healthy: bool, then: Callable[[], None]) -> None:
        bad = first_not_finite(taken.tensors)
        if bad:
            raise DivergedError(f"{bad} is not finite at the end of a step", "it was not saved")
        with refusing("saving a checkpoint"):
            self._checkpoints.save(number, encoded(taken), healthy=healthy)
        self._spare = taken.tensors if self.in_background else {}
        then()
