"""What every stage is given, and what it says it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cohort.data.records import Group
from cohort.data.store import Store
from cohort.report.console import Console
from cohort.rewards.functions import RewardFunction
from cohort.tasks.problems import ProblemSource
from cohort.train.clock import Clock
from cohort.train.profile import Profiler


@dataclass(slots=True)
class Cost:
    """Tokens that a stage sampled, and tokens whose gradient it computed."""

    sampled_tokens: int = 0
    trained_tokens: int = 0


@dataclass(frozen=True, slots=True)
class StageContext:
    """One stage of a run: its number from 0, its name, and where it reads and writes.

    profiler: where the stage's first steps are profiled.
    """

    number: int
    name: str
    seed: int
    source: ProblemSource
    rewards: Sequence[RewardFunction]
    store: Store
    console: Console
    clock: Clock = field(default_factory=Clock)
    profiler: Profiler | None = None

    def step(
        self,
        step: int,
        metrics: Mapping[str, float],
        *,
        seconds: float,
        groups: Sequence[Group] = (),
    ) -> None:
        """Keep a step in the store, then show it; steps count from 1."""
        with self.clock.phase("saving"):
            self.store.write_step(
                self.number, step, seconds=seconds, metrics=metrics, groups=groups
            )
        self.console.step(step, metrics, seconds)
