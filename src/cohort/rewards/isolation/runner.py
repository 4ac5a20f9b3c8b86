"""Runs the reward functions of a run, each where it belongs, and keeps account of it.

Functions that another interpreter can import run in workers, those of different modules at the same
time; the others run in this process, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Protocol, Self

from cohort.rewards.asked import Journal, MemoryJournal
from cohort.rewards.functions import RewardFunction
from cohort.rewards.isolation.asking import Account, Asking, Batch, Caller
from cohort.rewards.isolation.here import Here
from cohort.rewards.isolation.process import Home
from cohort.rewards.isolation.quarantine import Kept, Quarantine
from cohort.rewards.isolation.workers import Workers, home_of
from cohort.rewards.outcome import Outcome

MOST_AT_ONCE = 8
"""Modules whose functions are asked at the same time."""

Asked = Sequence[tuple[RewardFunction, Batch]]


class Book(Journal, Kept, Protocol):
    """Where answers of services and quarantined rollouts are kept: a run's `data.asked.Asked`."""


def _silent(_: str) -> None:
    """Where nobody listens."""


class Runner:
    """One for a run. Without `house` every function runs in this process."""

    def __init__(self) -> None:
        self._journal: Journal = MemoryJournal()
        self._quarantine = Quarantine()
        self._say: Callable[[str], None] = _silent
        self._here = Here(lambda: self._journal, lambda text: self._say(text))
        self._workers: Workers | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._accounts: dict[str, Account] = {}

    def house(self, rewards: Sequence[RewardFunction]) -> tuple[RewardFunction, ...]:
        """The rewards as they run in workers, where they can; the workers are being started."""
        if self._workers is None:
            self._workers = Workers(lambda: self._journal)
        return tuple(self._workers.house(reward) for reward in rewards)

    def belong_to(self, book: Book, say: Callable[[str], None]) -> None:
        """From here on, keep what services answered and what is quarantined in a run's store, and
        say what a person should know at once."""
        self._journal, self._quarantine, self._say = book, Quarantine(book), say

    @property
    def journal(self) -> Journal:
        """What services answered, for those who ask them beside the rewards."""
        return self._journal

    def ask(self, batches: Asked, *, strict: bool) -> list[list[Outcome]]:
        """For each function what became of every rollout. Raises RewardError; see `Asking`."""
        shares: dict[Home | None, list[int]] = {}
        for number, (reward, _) in enumerate(batches):
            home = None if self._workers is None else home_of(reward)
            shares.setdefault(home, []).append(number)
        ours = shares.pop(None, [])
        asked = [(own, self._begin(batches, own, strict)) for own in shares.values()]
        found = {number: self._ask(*batches[number], self._here, strict) for number in ours}
        for numbers, future in asked:
            found |= dict(zip(numbers, future.result(), strict=True))
        return [found[number] for number in range(len(batches))]

    def accounts(self) -> dict[str, Account]:
        """What asking each function cost since this was asked last; a step is over."""
        self._quarantine.settle()
        taken, self._accounts = self._accounts, {}
        return taken

    def blame_functions(self) -> None:
        """So much failed in this step that no answer is to blame: none stays in quarantine for it."""
        self._quarantine.release()

    def close(self) -> None:
        """End all workers, whatever they do."""
        if self._workers is not None:
            self._workers.stop()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        if self._workers is not None:
            self._workers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _begin(
        self, batches: Asked, numbers: Sequence[int], strict: bool
    ) -> Future[list[list[Outcome]]]:
        """Begin to ask the functions of one worker, one after the other."""
        workers = self._workers
        assert workers is not None
        self._pool = self._pool or ThreadPoolExecutor(MOST_AT_ONCE, "cohort-rewards")
        return self._pool.submit(
            lambda: [self._ask(*batches[number], workers, strict) for number in numbers]
        )

    def _ask(
        self, reward: RewardFunction, batch: Batch, caller: Caller, strict: bool
    ) -> list[Outcome]:
        asking = Asking(reward, batch, caller, self._quarantine, self._say)
        try:
            return asking.outcomes(strict=strict)
        finally:
            own = self._accounts.setdefault(reward.name, Account())
            own.retried += asking.account.retried
            own.slowest_seconds = max(own.slowest_seconds, asking.account.slowest_seconds)
