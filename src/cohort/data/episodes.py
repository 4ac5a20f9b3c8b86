"""Episodes as plain values: what a run's store and journal keep of them, what rewards are given, and the
pieces that each is computed in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cohort.data.records import Episode, Rollout, Turn


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
    turns = tuple(_turn(dict(turn)) for turn in told["turns"])
    failure = None if told["failure"] is None else (told["failure"][0], told["failure"][1])
    return Episode(turns, told["facts"], failure, told["seconds"])


def _turn(told: dict[str, Any]) -> Turn:
    context = told.pop("context", None)
    mistakes = tuple(told.pop("mistakes"))
    return Turn(**told, mistakes=mistakes, context=None if context is None else tuple(context))


@dataclass(frozen=True, slots=True)
class Piece:
    """What of a rollout goes on from the same tokens: all of it, but for episodes whose context was
    written anew.

    context: what it goes on from, int32 [c]; None: the prompt of the group. tokens: int32 [n].
    sampled: bool [n], which of them were; None: all.
    """

    context: NDArray[np.int32] | None
    tokens: NDArray[np.int32]
    sampled: NDArray[np.bool_] | None = None

    @property
    def count(self) -> int:
        """How many tokens were sampled."""
        return len(self.tokens) if self.sampled is None else int(self.sampled.sum())


def pieces(rollout: Rollout) -> Iterator[Piece]:
    """A rollout's pieces in order; each turn with a context of its own begins one."""
    if rollout.episode is None:
        yield Piece(None, rollout.tokens)
        return
    sampled = rollout.sampled
    begin = end = 0
    context: tuple[int, ...] | None = None
    for turn in rollout.episode.turns:
        if turn.context is not None and end:
            yield _piece(context, rollout.tokens[begin:end], sampled[begin:end])
            begin = end
        context = turn.context or context
        end += turn.sampled + turn.observed
    yield _piece(context, rollout.tokens[begin:end], sampled[begin:end])


def _piece(
    context: tuple[int, ...] | None, tokens: NDArray[np.int32], sampled: NDArray[np.bool_]
) -> Piece:
    return Piece(None if context is None else np.array(context, dtype=np.int32), tokens, sampled)
