"""What ended the process that judged it, twice: known by the hash of all that the function was given.

It is never tried again, in this sitting of a run or a later one; another version of the function,
or other limits, make another hash. Where so much failed that the run ends, the function or what it
runs on is to blame: what that step put in is let out again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from cohort.rewards.functions import RewardFunction
from cohort.rewards.outcome import KINDS, Failed


class Kept(Protocol):
    """Where a quarantine outlives the process: a table of `run.db`."""

    def quarantined(self) -> dict[str, tuple[str, str]]:
        """Key -> kind and reason."""

    def quarantine(self, function: str, key: str, *, kind: str, reason: str) -> None:
        """Keep one, at once."""

    def release(self, keys: Iterable[str]) -> None:
        """Forget these."""


class Quarantine:
    """Rollouts that are not asked about again, and why; without `kept`, until the process ends."""

    def __init__(self, kept: Kept | None = None) -> None:
        self._kept = kept
        self._latest: list[str] = []
        known = {} if kept is None else kept.quarantined()
        self._known = {
            key: Failed(kind, reason) for key, (kind, reason) in known.items() if kind in KINDS
        }

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in it, so that no key needs to be computed."""
        return not self._known

    def find(self, key: str) -> Failed | None:
        """Why this one is in quarantine; None where it is not."""
        return self._known.get(key)

    def put(self, function: str, key: str, why: Failed) -> None:
        """Never ask about this one again."""
        self._known[key] = Failed(why.kind, why.reason)
        self._latest.append(key)
        if self._kept is not None:
            self._kept.quarantine(function, key, kind=why.kind, reason=why.reason)

    def settle(self) -> None:
        """What was put in until now stays."""
        self._latest = []

    def release(self) -> None:
        """Let out what was put in since it was settled last."""
        if self._kept is not None:
            self._kept.release(self._latest)
        self._known = {key: why for key, why in self._known.items() if key not in self._latest}
        self._latest = []


def key_of(reward: RewardFunction, keywords: Mapping[str, Any]) -> str:
    """A hash of the function's version, its limits, and everything that it is given."""
    limits = reward.options.model_dump(exclude={"weight"})
    told = [reward.name, reward.version, limits, dict(keywords)]
    text = json.dumps(told, skipkeys=True, default=repr)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
