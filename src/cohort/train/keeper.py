"""What keeps a run from being lost: checkpoints, the journal, and the place to go on from.

Stages tell the keeper what they work with and when a step is done; it says what was done before,
saves when it is time, and ends the run at the end of a step when that was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from cohort.data.records import Group
from cohort.data.store import Store
from cohort.errors import NotFiniteError
from cohort.policy.policy import Policy
from cohort.report.console import Console
from cohort.rewards.functions import RewardFunction
from cohort.train.health import Health
from cohort.train.journal import Entry, Journal
from cohort.train.saver import Saver
from cohort.train.state import (
    Place,
    Snapshot,
    StageState,
    remember,
    remembered,
    restore_stage,
    snapshot,
)
from cohort.train.stopping import Stopping
from cohort.train.trends import Trends


class Keeper:
    """One for a run; `begin` is called by each stage that trains."""

    def __init__(  # the parts of a run, by name
        self,
        policy: Policy,
        *,
        saver: Saver,
        journal: Journal,
        store: Store,
        console: Console,
        stopping: Stopping,
        lengths: Sequence[int],
    ) -> None:
        """lengths: the steps of each stage, 0 for those that do not train."""
        self._policy, self._saver, self._journal = policy, saver, journal
        self._store, self._console, self._stopping = store, console, stopping
        self._lengths = list(lengths)
        self._resumed: Snapshot | None = None
        self._saved_once = False
        self.health = Health()

    def go_on_from(self, taken: Snapshot) -> None:
        """The stage of this snapshot will begin at its place; the policy is there already."""
        self._resumed, self._saved_once = taken, True
        self.health.restore(taken.facts["health"])

    def begin(self, stage: int, state: StageState, rewards: Sequence[RewardFunction]) -> None:
        """A stage is about to take its first step, or to go on: its state is put in place."""
        self._stage, self._state, self._rewards = stage, state, rewards
        if self._resumed is not None and self._resumed.place.stage == stage:
            restore_stage(self._resumed, state, rewards)
        self._resumed = None
        for updater in state.updaters:
            updater.rate_factor = self.health.rate_factor
        self._stopping.in_steps = True
        self._trends = Trends(str(self._policy.head[0].dtype).removeprefix("torch."))
        for metrics in self._store.metrics_of(stage):
            self._trends.see(metrics)
        if not self._saved_once:
            self._save()

    def end(self) -> None:
        """The stage is done, and a checkpoint of its end is on its way."""
        self._stopping.in_steps = False

    def recalled(self, step: int) -> Entry | None:
        """What this step sampled when it was gone through before, if it was."""
        return self._journal.find(Place(self._stage, step))

    def remember(self, entry: Entry) -> None:
        """Give reward functions the memory that they had after scoring this entry."""
        remember(self._rewards, entry.facts["rewards"])

    def keep(self, step: int, groups: Sequence[Group], facts: Mapping[str, Any]) -> None:
        """Put what a step sampled into the journal, before it is learned from."""
        kept = {**facts, "rewards": remembered(self._rewards)}
        self._journal.keep(Place(self._stage, step), groups, kept)

    def left_out(self, error: NotFiniteError, step: int) -> None:
        """An update of this step was left out. Raises DivergedError where too many were."""
        text = f"step {step}: {error.message}; the update was left out"
        self._store.event("warning", text, stage=self._stage, step=step)
        self._console.warn(text)
        self.health.left_out(error)

    def after_step(self, step: int, metrics: Mapping[str, float]) -> None:
        """A step is in the store. Saves where it is time; ends the run where that was asked for."""
        self._state.step = step
        for text in self._trends.see(metrics):
            self._store.event("warning", f"step {step}: {text}", stage=self._stage, step=step)
            self._console.warn(f"step {step}: {text}")
        self._saver.count_step()
        stop = self._stopping.asked is not None
        if stop or step == self._lengths[self._stage] or self._saver.is_due:
            self._save()
        if stop:
            self._saver.wait()
            raise self._stopping.refusal(
                f"stopped in {self._store.position()}; a checkpoint has it",
                "the same command goes on from there",
            )

    def _save(self) -> None:
        self._store.sync()
        taken = snapshot(
            self._policy,
            self._stage,
            self._state,
            self._rewards,
            self.health.facts(),
            self._saver.spare() if self._saver.in_background else None,
        )
        number = sum(self._lengths[: self._stage]) + self._state.step
        self._saver.save(
            number,
            taken,
            healthy=self.health.healthy,
            then=partial(self._journal.forget_until, taken.place),
        )
        self._saved_once = True
