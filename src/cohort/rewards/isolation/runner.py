"""Runs the reward functions of a stage, each where it belongs, and keeps account of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cohort.rewards.asked import Journal, MemoryJournal
from cohort.rewards.functions import RewardFunction
from cohort.rewards.isolation.asking import Account, Asking, Batch, Caller
from cohort.rewards.isolation.here import Here
from cohort.rewards.isolation.quarantine import Quarantine
from cohort.rewards.outcome import Outcome


def _silent(_: str) -> None:
    """Where nobody listens."""


class Runner:
    """One for a run; without workers every function runs in this process."""

    def __init__(
        self,
        journal: Journal | None = None,
        quarantine: Quarantine | None = None,
        say: Callable[[str], None] = _silent,
    ) -> None:
        self._here = Here(journal or MemoryJournal(), say)
        self._quarantine = quarantine or Quarantine()
        self._accounts: dict[str, Account] = {}

    def ask(
        self, batches: Sequence[tuple[RewardFunction, Batch]], *, strict: bool
    ) -> list[list[Outcome]]:
        """For each function what became of every rollout. Raises RewardError; see `Asking`."""
        return [self._ask(reward, batch, strict) for reward, batch in batches]

    def accounts(self) -> dict[str, Account]:
        """What asking each function cost since this was asked last."""
        taken, self._accounts = self._accounts, {}
        return taken

    def _ask(self, reward: RewardFunction, batch: Batch, strict: bool) -> list[Outcome]:
        asking = Asking(reward, batch, self._caller(reward), self._quarantine)
        try:
            return asking.outcomes(strict=strict)
        finally:
            own = self._accounts.setdefault(reward.name, Account())
            own.retried += asking.account.retried
            own.slowest_seconds = max(own.slowest_seconds, asking.account.slowest_seconds)

    def _caller(self, reward: RewardFunction) -> Caller:
        return self._here
