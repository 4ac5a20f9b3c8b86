"""Orderly ends: Ctrl-C and SIGTERM ask the run to stop where nothing is lost; a second one is at once.

Where a stage goes by in steps, the first signal lets the step end, be saved, and then ends the run.
Elsewhere it interrupts right away. Signals can only be caught in the main thread; in another one
they do what they did before.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

from cohort.errors import Interrupted, Terminated

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """Listens while it is entered."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.asked: signal.Signals | None = None
        """The signal that asked for the end of the run, if one did."""
        self.in_steps = False
        """Whether there will be a step at whose end the run can stop."""
        self._say = say
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {which: signal.signal(which, self._heard) for which in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for which, handler in self._before.items():
            signal.signal(which, handler)

    def refusal(self, message: str, hint: str) -> Interrupted:
        """What the run ends with, for the signal that was heard."""
        kind = Terminated if self.asked is signal.SIGTERM else Interrupted
        return kind(message, hint)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        again, self.asked = self.asked is not None, signal.Signals(number)
        if again or not self.in_steps:
            raise KeyboardInterrupt
        self._say("stopping after this step; once more to stop at once")
