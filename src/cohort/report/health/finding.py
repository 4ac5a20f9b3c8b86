"""A sentence about a run, with what it rests on and what to change."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Level = Literal["warning", "note"]
"""A warning is something to mend; a note explains what looks like a fault and is none, or may be nothing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found in a stage.

    name: which sign it is. sentence: what is so, with its numbers. change: what to do about it, or where to
    look. metrics: the curves that show it, the most telling one first. step: where it shows best; None
    for the whole stage. groups: whether groups of that step show it better than a curve.
    """

    name: str
    level: Level
    stage: int
    sentence: str
    change: str
    metrics: tuple[str, ...] = ()
    step: int | None = None
    groups: bool = False

    def told(self) -> dict[str, object]:
        """The finding as JSON can hold it."""
        return asdict(self)
