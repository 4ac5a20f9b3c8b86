"""The rewards that an environment gave for the turns of an episode, as a reward of the stage.

What an environment says of a turn counts nowhere by itself: `turns` makes it a part of the score, with a
weight, beside other rewards.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Steps = list[tuple[int, float]]


class Turns:
    """The reward `turns`: the environment's of each turn, as that of a step of the answer."""

    positions = "tokens"
    in_process = True
    """It reads what is there."""

    def __call__(
        self,
        *,
        completions: Sequence[object],
        episodes: Sequence[Mapping[str, Any] | None] | None = None,
        whole: bool = False,
        **_: object,
    ) -> list[Steps | float | None]:
        """The reward of each turn, as that of a step that ends with the turn's last sampled token.

        None for an episode whose environment rewarded no turn, and where there is no episode; a turn
        without a reward is no step. `whole`: their sum, as one reward of the whole episode, for
        algorithms that do not learn from steps.
        """
        told = [None] * len(completions) if episodes is None else episodes
        found = [_steps(one["turns"]) if one else [] for one in told]
        if whole:
            return [math.fsum(value for _, value in own) if own else None for own in found]
        return [own or None for own in found]


turns = Turns()


def _steps(taken: Sequence[Mapping[str, Any]]) -> Steps:
    """Where each rewarded turn ends among the episode's tokens, and its reward."""
    found: Steps = []
    end = 0
    for turn in taken:
        end += turn["sampled"]
        if turn["reward"] is not None:
            found.append((end, float(turn["reward"])))
        end += turn["observed"]
    return found
