"""The most memory that each phase of a step takes, as the kernel counts it (Linux)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def read(name: str) -> int:
    """Bytes of a line of this process's status: VmHWM, the most that was resident; VmPeak, of addresses."""
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no {name} here")


class Phases:
    """Peaks by phase, of a run whose clock says when a phase begins and ends."""

    def __init__(self) -> None:
        self._peaks: dict[str, int] = {}
        self._whole = 0

    def _passed(self, name: str) -> None:
        """What was resident at most since the last call belongs to this phase; begin anew."""
        most = read("VmHWM")
        self._peaks[name] = max(self._peaks.get(name, 0), most)
        self._whole = max(self._whole, most)
        CLEAR.write_text("5")

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Have the clock of a run tell."""
        from cohort.train.clock import Clock

        plain: Any = Clock.phase

        @contextmanager
        def phase(clock: Clock, name: str) -> Iterator[None]:
            self._passed("between" if self._peaks else "loading, the largest row, a checkpoint")
            try:
                with plain(clock, name):
                    yield
            finally:
                self._passed(name)

        Clock.phase = phase  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            Clock.phase = plain  # type: ignore[method-assign]
            self._passed("the end")

    def said(self) -> dict[str, Any]:
        """Bytes: the peak, the addresses, and the peak of each phase."""
        return {"gib": {"peak": self._whole, "addresses": read("VmPeak"), **self._peaks}}
