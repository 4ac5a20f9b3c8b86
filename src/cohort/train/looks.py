"""What the last update of a step saw of each token, for the store: ratio, entropy, whether it was clipped.

All of it is at hand when the loss is computed; here it only finds its answer. Nothing is computed for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cohort.data.records import Group, Learned
from cohort.train.batch import Batch

LARGEST = 65504.0
"""The largest number of 16 bits."""

Look = tuple[Tensor, Tensor, Tensor]
"""Of some tokens: their ratios, entropies, and which are clipped."""


class Looks:
    """Filled update by update; what comes later about the same answer replaces what was there."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, int], Learned] = {}

    def see(self, batch: Batch, rows: Sequence[Look]) -> None:
        """An update was made; `rows` is what was seen of each row of it, in their order."""
        if not rows:
            return
        places = np.concatenate([row.flat for row in batch.rows])
        ratios, entropies, clipped = (_flat(parts, places) for parts in zip(*rows, strict=True))
        begin = 0
        for place, length in zip(batch.places, batch.lengths, strict=True):
            own = slice(begin, begin + length)
            self._seen[place] = Learned(
                ratios[own].astype(np.float16), entropies[own].astype(np.float16), clipped[own] > 0
            )
            begin += length

    def put_into(self, groups: Sequence[Group]) -> list[Group]:
        """The groups with what was seen of their answers."""
        if not self._seen:
            return list(groups)
        return [
            replace(
                group, learned=tuple(self._seen.get((g, r)) for r in range(len(group.rollouts)))
            )
            for g, group in enumerate(groups)
        ]


def _flat(parts: Sequence[Tensor], places: NDArray[np.int64]) -> NDArray[np.float32]:
    """The values of all rows in the order of the flat arrays."""
    found = np.empty(len(places), np.float32)
    found[places] = torch.cat(list(parts)).float().clamp(-LARGEST, LARGEST).cpu().numpy()
    return found
