"""One line to a process in the sandbox, and one line back."""

from __future__ import annotations

from cohort.rewards.sandbox.session import Session

MOST_BYTES = 4 * 2**20
"""A longer answer is none."""


def exchanged(session: Session, line: bytes, seconds: float) -> bytes | None:
    """Send a line; the next line that comes, or None: too late, too long, or never."""
    if seconds <= 0:
        return None
    session.send(line)
    heard = session.receive_line(seconds, MOST_BYTES)
    return heard if isinstance(heard, bytes) else None
