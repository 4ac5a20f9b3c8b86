"""Episodes as plain values: what a run's store and journal keep of them, and what rewards are given."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from cohort.data.records import Episode, Turn


def told_of(episode: Episode) -> dict[str, Any]:
    """An episode as JSON can hold it."""
    return {
        "turns": [asdict(turn) for turn in episode.turns],
        "facts": dict(episode.facts),
        "failure": episode.failure,
        "seconds": episode.seconds,
    }


def episode_from(told: dict[str, Any]) -> Episode:
    """The episode that `told_of` told of."""
    turns = tuple(Turn(**{**turn, "mistakes": tuple(turn["mistakes"])}) for turn in told["turns"])
    failure = None if told["failure"] is None else (told["failure"][0], told["failure"][1])
    return Episode(turns, told["facts"], failure, told["seconds"])
