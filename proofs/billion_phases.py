"""The most memory that each phase of a step takes, as the kernel counts it (Linux)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def read(name: str) -> int:
    """Bytes of a line of this process's status: VmHWM, the most that was resident; VmPeak, of addresses."""
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no {name} here")


def below() -> int:
    """Bytes of all processes below this one; of a page that several have, each counts its part."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(folder.name))
    waiting, total = [os.getpid()], 0
    while waiting:
        own = parents.get(waiting.pop(), [])
        waiting += own
        for number in own:
            with suppress(FileNotFoundError, ProcessLookupError):
                parts = Path(f"/proc/{number}/smaps_rollup").read_text().split("Pss:")
                total += int(parts[1].split()[0]) * 1024 if len(parts) > 1 else 0
    return total


class Phases:
    """Peaks by phase, of a run whose clock says when a phase begins and ends."""

    def __init__(self) -> None:
        self._peaks: dict[str, int] = {}
        self._whole = 0
        self.below = 0
        """The most that processes below had when a phase began or ended."""

    def _passed(self, name: str) -> None:
        """What was resident at most since the last call belongs to this phase; begin anew."""
        most = read("VmHWM")
        self._peaks[name] = max(self._peaks.get(name, 0), most)
        self._whole = max(self._whole, most)
        self.below = max(self.below, below())
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
