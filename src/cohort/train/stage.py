"""What every stage is given, and how it says that a step is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cohort.data.records import Group
from cohort.data.store import Store
from cohort.policy.policy import Policy
from cohort.report.console import Console
from cohort.report.track.sinks import NONE, Sinks
from cohort.rewards.functions import RewardFunction
from cohort.rewards.isolation.runner import Runner
from cohort.tasks.problems import ProblemSource
from cohort.train.clock import Clock
from cohort.train.keeper import Keeper
from cohort.train.products import Products
from cohort.train.profile import Profiler
from cohort.train.state import StageState
from cohort.train.talk import Talk
from cohort.train.teach import Teaching


@dataclass(frozen=True, slots=True)
class StageContext:
    """One stage of a run: its number from 0, its name, and where it reads and writes.

    products: where the run keeps what the stage leaves for later ones.
    first: loads the policy that the recipe begins with.
    runner: what runs the rewards; in this process, unless another is given.
    talk: how answers have several turns, where they do.
    profiler: where the stage's first steps are profiled.
    teacher: what makes references where the stage is free of labels.
    sinks: what else is told of the run.
    """

    number: int
    name: str
    seed: int
    source: ProblemSource
    rewards: Sequence[RewardFunction]
    store: Store
    console: Console
    keeper: Keeper
    products: Products | None = None
    first: Callable[[], Policy] | None = None
    runner: Runner = field(default_factory=Runner)
    clock: Clock = field(default_factory=Clock)
    talk: Talk | None = None
    profiler: Profiler | None = None
    teacher: Teaching | None = None
    sinks: Sinks = NONE

    def begin(self, state: StageState) -> None:
        """Put the stage's state where it was, if it went on before; called before the first step."""
        self.keeper.begin(self.number, state, self.rewards)

    def base(self) -> Policy:
        """The policy that the recipe begins with."""
        assert self.first is not None, "a stage that begins with the base, outside of a run"
        return self.first()

    @property
    def leaves(self) -> Products:
        """Where the stage leaves what later ones take."""
        assert self.products is not None, "a stage that leaves something, outside of a run"
        return self.products

    def step(
        self,
        step: int,
        metrics: Mapping[str, float],
        *,
        seconds: float,
        groups: Sequence[Group] = (),
    ) -> None:
        """Keep a step in the store, show it, and save where it is time; steps count from 1.

        Raises Interrupted where the run was asked to end, and StorageError where it cannot be kept.
        """
        with self.clock.phase("saving"):
            self.store.write_step(
                self.number, step, seconds=seconds, metrics=metrics, groups=groups
            )
        self.console.step(step, metrics, seconds)
        for text in self.sinks.news():
            self.store.event("warning", text, stage=self.number, step=step)
            self.console.warn(text)
        with self.clock.phase("saving"):
            self.keeper.after_step(step, metrics)
