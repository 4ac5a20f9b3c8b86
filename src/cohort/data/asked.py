"""What reward functions were told by services, and what they failed at for good: tables of `run.db`.

Every entry is a transaction of its own, made before anything follows from it, and is there after
kill -9. Going on from an older checkpoint forgets none of it: nothing is asked twice. It has a
connection of its own, since functions ask from several threads.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from cohort.data.store import refusing_database

WAIT_SECONDS = 60.0
"""For a transaction of somebody else to end."""


class Asked:
    """See `rewards.asked.Journal` and `rewards.isolation.quarantine.Kept`."""

    def __init__(self, path: Path) -> None:
        """Opens a store that is there."""
        self._turn = threading.Lock()
        with refusing_database():
            self._db = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=WAIT_SECONDS
            )
            self._db.execute("PRAGMA synchronous = NORMAL")

    def recall(self, key: str) -> str | None:
        """The answer that was kept under this key; None where there is none."""
        with self._turn, refusing_database():
            row = self._db.execute("SELECT answer FROM asked WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def keep(self, key: str, answer: str) -> None:
        """Keep an answer for good; the first one counts. Raises StorageError."""
        with self._turn, refusing_database():
            self._db.execute(
                "INSERT OR IGNORE INTO asked VALUES (?, ?, ?)", (key, answer, time.time())
            )

    def quarantined(self) -> dict[str, tuple[str, str]]:
        """Key -> kind and reason, of everything in quarantine."""
        with self._turn, refusing_database():
            rows = self._db.execute("SELECT key, kind, reason FROM quarantine").fetchall()
        return {key: (kind, reason) for key, kind, reason in rows}

    def quarantine(self, function: str, key: str, *, kind: str, reason: str) -> None:
        """Keep one for good. Raises StorageError."""
        with self._turn, refusing_database():
            self._db.execute(
                "INSERT OR IGNORE INTO quarantine VALUES (?, ?, ?, ?, ?)",
                (key, function, kind, reason, time.time()),
            )

    def release(self, keys: Iterable[str]) -> None:
        """Let these out of quarantine."""
        with self._turn, refusing_database():
            self._db.executemany("DELETE FROM quarantine WHERE key = ?", [(key,) for key in keys])

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()
