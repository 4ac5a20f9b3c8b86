"""Texts that end an answer, looked for in the end of it after every token.

The token that completes one is the answer's last, and what it says stays in the answer: it was sampled, and
is learned from like any other.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cohort.policy.policy import Policy
from cohort.rollout.slots import Slots

BESIDE = 8
"""Tokens more than a text has bytes: a character may be several tokens, and some say nothing."""


class Stops:
    """Which live answers have said one of the texts."""

    def __init__(self, policy: Policy, texts: Sequence[str]) -> None:
        self._policy, self._texts = policy, tuple(texts)
        self._most = BESIDE + max(len(text.encode()) for text in texts)

    def said(self, slots: Slots, lanes: Tensor) -> Tensor:
        """Whether each lane's answer has: bool [k]."""
        found = [
            any(text in tail for text in self._texts)
            for tail in (self._policy.text(slots.tail(lane, self._most)) for lane in lanes.tolist())
        ]
        return torch.tensor(found, device=lanes.device)
