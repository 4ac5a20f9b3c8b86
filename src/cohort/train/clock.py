"""The clock of a step: the seconds of each of its phases, which add up to the step's own.

A step ends where the next one begins, so what is written into the store after a step is measured
counts as `saving` of the next one, and no second is lost between two steps. Looking at a clock
costs nothing, so every run has these numbers. Where there is a GPU, the end of a phase waits until
it has done its work. Refuses phases within phases: their seconds would count twice.

With a recorder the operators of each phase are counted too; that does cost something.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from torch.autograd.profiler import profile as operator_profile

from cohort.report.phases import PHASES, Operator

STATM = Path("/proc/self/statm")
"""Where Linux tells the pages of a process; the second number is those in memory."""

MOST_OPERATORS = 25
"""Operators of a phase that are kept: those that take most of the time."""


class Clock:
    """Seconds by phase, from one `lap` to the next."""

    def __init__(self) -> None:
        self.recorder: Recorder | None = None
        """Where the operators of a phase go; None where they are not recorded."""
        self._inside = ""
        self._begin()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count what is done inside as this phase."""
        assert not self._inside, f"{name} within {self._inside}"
        self._inside = name
        began = time.perf_counter()
        try:
            with self.recorder.phase(name) if self.recorder else nullcontext():
                yield
            if torch.cuda.is_initialized():
                torch.cuda.synchronize()
        finally:
            self._spent[name] += time.perf_counter() - began
            self._inside = ""

    def lap(self) -> tuple[float, dict[str, float]]:
        """The seconds since the last lap, and their metrics; the next lap begins.

            other = seconds - sum over phases
            threads_used = processor seconds of this process / (seconds * threads)

        A thread that spins while it waits for others counts as used.
        """
        seconds = time.perf_counter() - self._began
        processor_seconds = time.process_time() - self._processor_began
        self._spent["other"] = seconds - sum(self._spent.values())
        metrics = {f"time/{name}": self._spent[name] for name in PHASES}
        metrics["threads_used"] = processor_seconds / (seconds * torch.get_num_threads())
        metrics |= memory_metrics()
        self._begin()
        return seconds, metrics

    def _begin(self) -> None:
        self._began, self._processor_began = time.perf_counter(), time.process_time()
        self._spent = dict.fromkeys(PHASES, 0.0)


def memory_metrics() -> dict[str, float]:
    """The memory of this process, and the most that was taken of a GPU since the last step, in bytes.

    Absent where nobody can say.
    """
    found = {}
    if STATM.exists():
        pages = int(STATM.read_text().split()[1])
        found["memory/process"] = float(pages * os.sysconf("SC_PAGE_SIZE"))
    if torch.cuda.is_initialized():
        found["memory/device_peak"] = float(torch.cuda.max_memory_allocated())
        torch.cuda.reset_peak_memory_stats()
    return found


class Recorder:
    """The operators of each phase: how often each was called, and what it took by itself.

    Seconds are those of the processor's side, without the operators that an operator calls; on a
    GPU they are what it takes to ask for the work. This is the class that torch.profiler wraps; the
    wrapper takes seconds to start.
    """

    def __init__(self) -> None:
        # Kineto, which the profiler is made of, writes a line about each start and stop to stderr.
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")
        self._recorded: dict[str, list[operator_profile]] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Record what is done inside; a phase may come several times."""
        with operator_profile() as recorded:
            yield
        self._recorded.setdefault(name, []).append(recorded)

    def tables(self) -> dict[str, tuple[Operator, ...]]:
        """The operators of each phase that take most of its time, first the most.

        It takes some 50 microseconds for every call of an operator.
        """
        return {phase: table for phase, own in self._recorded.items() if (table := _table(own))}


def _table(recorded: Sequence[operator_profile]) -> tuple[Operator, ...]:
    seen: dict[str, tuple[int, float]] = {}
    for one in recorded:
        for event in one.key_averages():
            calls, seconds = seen.get(event.key, (0, 0.0))
            seen[event.key] = calls + event.count, seconds + event.self_cpu_time_total / 1e6
    whole = sum(seconds for _, seconds in seen.values()) or 1.0
    rows = [
        Operator(name, calls, seconds, seconds / whole) for name, (calls, seconds) in seen.items()
    ]
    return tuple(sorted(rows, key=lambda row: -row.seconds)[:MOST_OPERATORS])
