"""What services answered, so that nothing is asked twice: a run that goes on replays it bit for bit.

A reward function with a parameter `journal` is given one. The run's own is a table of `run.db`; the
one here lives in memory, for tests and for use without a run.
"""

from __future__ import annotations

from typing import Protocol


class Journal(Protocol):
    """Answers by key; a key is a hash of everything that the answer depends on."""

    def recall(self, key: str) -> str | None:
        """The answer that was kept under this key; None where there is none."""

    def keep(self, key: str, answer: str) -> None:
        """Keep an answer for good before anything is made of it."""


class MemoryJournal:
    """A journal that ends with the process."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}

    def recall(self, key: str) -> str | None:
        """See Journal."""
        return self.answers.get(key)

    def keep(self, key: str, answer: str) -> None:
        """See Journal."""
        self.answers[key] = answer
