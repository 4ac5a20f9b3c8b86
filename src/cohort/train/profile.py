"""`--profile N`: where the first steps of the first reinforce stage spent their time.

Step 1 warms up. Steps 2 to N + 1 are measured by the clock that every run has, which costs nothing.
Then the operators of step N + 2 are recorded. Recording slows that step (on the recipe `chain` it
takes 1.4 times the processor time), so its seconds enter no mean; from its operators read shares.
Counting them afterwards takes some 50 microseconds a call, 7 seconds for `chain`. What is sampled
and learned does not depend on any of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch

from cohort.config.recipe import Recipe
from cohort.config.stages import Reinforce
from cohort.data.store import Store
from cohort.errors import RecipeError
from cohort.report.phases import PHASES, Profile, profile_lines
from cohort.report.statistics import mean
from cohort.train.clock import Clock, Recorder

FURTHER_STEPS = 2
"""Steps that a profile needs beside the measured ones: one before and one after them."""


def steps_to_profile(recipe: Recipe, steps: int) -> dict[int, int]:
    """How many steps to measure of which stage: `steps` of the first reinforce stage.

    Raises RecipeError where there are no such steps.
    """
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
        raise RecipeError(
            f"profile is {steps!r}: it is the number of steps to measure, at least 1",
            "3 are enough to see where the time goes",
        )
    named = zip(recipe.stage_names(), recipe.stage, strict=True)
    found = [(n, *own) for n, own in enumerate(named) if isinstance(own[1], Reinforce)]
    if not found:
        raise RecipeError(
            "profile measures reinforce steps, and the recipe has no reinforce stage",
            "train without it",
        )
    number, name, stage = found[0]
    assert isinstance(stage, Reinforce), stage.kind
    if stage.steps < steps + FURTHER_STEPS:
        raise RecipeError(
            f"profile {steps} needs {steps + FURTHER_STEPS} steps, with one before to warm up and "
            f"one after for the operators; stage {name} has {stage.steps}",
            f"measure fewer steps, or give it more: stage.{name}.steps={steps + FURTHER_STEPS}",
        )
    return {number: steps}


class Profiler:
    """Watches one stage, and writes its profile down as soon as it is complete."""

    def __init__(self, steps: int, stage: int, name: str, *, folder: Path, store: Store) -> None:
        self._steps, self._stage, self._name = steps, stage, name
        self._folder, self._store = folder, store
        self._measured: list[tuple[float, Mapping[str, float]]] = []
        self.found: Profile | None = None
        """What was found; None until the step with the operators is done."""

    def lines(self) -> list[str]:
        """What was found, for the terminal."""
        return profile_lines(self.found) if self.found else []

    def after(self, step: int, clock: Clock, seconds: float, metrics: Mapping[str, float]) -> None:
        """Take a step's measurements, and have the clock record the operators of the right one."""
        if 1 < step <= self._steps + 1:
            self._measured.append((seconds, metrics))
        if step == self._steps + 1:
            clock.recorder = Recorder()
        elif clock.recorder is not None:
            self.found = self._profile(step, seconds, clock.recorder)
            clock.recorder = None
            self._write(self.found)
            clock.lap()  # counting the operators took a while that belongs to no step

    def _profile(self, step: int, seconds: float, recorder: Recorder) -> Profile:
        whole = mean([own for own, _ in self._measured])
        used = mean([own * metrics["threads_used"] for own, metrics in self._measured])
        return Profile(
            stage=self._stage,
            name=self._name,
            steps=(2, self._steps + 1),
            seconds=whole,
            phases={
                p: mean([metrics[f"time/{p}"] for _, metrics in self._measured]) for p in PHASES
            },
            threads=torch.get_num_threads(),
            threads_used=used / whole,
            recorded_step=step,
            recorded_seconds=seconds,
            operators=recorder.tables(),
        )

    def _write(self, profile: Profile) -> None:
        found = asdict(profile)
        self._store.set_fact("profile", found)
        text = json.dumps(found, indent=1) + "\n"
        (self._folder / "profile.json").write_text(text, encoding="utf-8")
