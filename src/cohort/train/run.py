"""A run: a recipe becomes a trained model in a folder. The one place that knows the order of things.

First everything is checked that costs nothing, then the model is loaded, then the stages go by in
order; at the end stand the model, the report, and a table of what became better.
"""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import torch

from cohort.config.recipe import Recipe
from cohort.config.stages import Evaluate, Reinforce, Supervised
from cohort.data.store import Store
from cohort.errors import Interrupted
from cohort.policy import native
from cohort.policy.load import load_policy, save_policy
from cohort.policy.policy import Policy
from cohort.report.console import Console
from cohort.report.html import write_report
from cohort.report.read import examples, opened
from cohort.train.evaluate import evaluate
from cohort.train.folder import DATABASE, MODEL, claim
from cohort.train.located import located
from cohort.train.plan import Given, StagePlan, check_prompts, make_plan
from cohort.train.profile import Profiler, steps_to_profile
from cohort.train.reinforce import reinforce
from cohort.train.stage import Cost, StageContext
from cohort.train.supervised import supervised


def train_recipe(
    recipe: Recipe,
    *,
    run: Path | None = None,
    base: Path,
    name: str,
    quiet: bool = False,
    given: Given | None = None,
    profile: int | None = None,
) -> Path:
    """Carry a recipe out; returns the run's folder. Raises CohortError, and Interrupted on Ctrl-C.

    `base` is the folder that the recipe's file is in, `name` what the run is called, `given` the
    functions and rows that some of the recipe's names stand for, `profile` the number of reinforce
    steps whose time is looked into.
    """
    recipe = located(recipe, base)
    profiled = {} if profile is None else steps_to_profile(recipe, profile)
    plans = make_plan(recipe, base, given or Given())
    set_threads(recipe.threads)
    needs_pieces = recipe.model.new is not None
    pieces = plans[0].source.vocabulary() if needs_pieces else []
    policy = load_policy(recipe.model, vocabulary=pieces, seed=recipe.seed)
    dropped = {plan.name: check_prompts(plan, policy) for plan in plans}
    folder = claim(recipe, run, name)
    store = Store(folder / DATABASE)
    with Console([plan.name for plan in plans], quiet) as console:
        this = _Run(recipe, plans, policy, folder=folder, store=store, console=console)
        this.describe(name)
        for number, steps in profiled.items():
            this.profile(number, steps)
        for stage, count in dropped.items():
            if count:
                console.warn(f"stage {stage}: {count} problems are too long and were left out")
        this.carry_out()
    return folder


def set_threads(threads: int) -> None:
    """Torch's threads: as asked, or one per core that this process may use."""
    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))


class _Run:
    """The stages of one run, going by."""

    def __init__(
        self,
        recipe: Recipe,
        plans: list[StagePlan],
        policy: Policy,
        *,
        folder: Path,
        store: Store,
        console: Console,
    ) -> None:
        self._recipe, self._plans, self._policy = recipe, plans, policy
        self._folder, self._store, self._console = folder, store, console
        self._began = time.perf_counter()
        self._evaluations: list[tuple[str, dict[str, object]]] = []
        self._profilers: dict[int, Profiler] = {}

    def describe(self, name: str) -> None:
        """Facts that a report needs, before the first step."""
        facts = {
            "recipe": name,
            "seed": self._recipe.seed,
            "model": self._recipe.model.path or "new",
            "parameters": sum(p.numel() for p in self._policy.model.parameters()),
            "threads": torch.get_num_threads(),
            "kernels": native.missing() or "compiled",
            "versions": {
                "cohort": version("cohort-rl"),
                "torch": torch.__version__,
                "transformers": version("transformers"),
                "python": platform.python_version(),
            },
            "status": "running",
        }
        for key, value in facts.items():
            self._store.set_fact(key, value)
        self._console.note(
            f"run {self._folder}, seed {self._recipe.seed}, "
            f"{facts['parameters']:,} parameters, {facts['threads']} threads"
        )

    def profile(self, stage: int, steps: int) -> None:
        """Look into the time that so many steps of a stage will take."""
        self._profilers[stage] = Profiler(
            steps, stage, self._plans[stage].name, folder=self._folder, store=self._store
        )

    def carry_out(self) -> None:
        """All stages, the model, the report; the store says how it ended, whatever happens."""
        status = "failed"
        try:
            self._stages()
            save_policy(self._policy, self._folder / MODEL)
            status = "finished"
        except KeyboardInterrupt:
            status = "interrupted"
            raise Interrupted(
                f"stopped in {self._store.position()}; the model was not saved",
                f"`cohort show {self._folder}` shows what was done until then",
            ) from None
        finally:
            self._end(status)
        with opened(self._folder) as db:
            shown = examples(db)
        self._console.summary(
            self._evaluations,
            shown,
            report=self._folder / "report.html",
            model=self._folder / MODEL,
            seconds=time.perf_counter() - self._began,
        )

    def _stages(self) -> None:
        after = "start"
        for number, plan in enumerate(self._plans):
            steps = getattr(plan.options, "steps", 0)
            self._store.begin_stage(number, name=plan.name, kind=plan.options.kind, steps=steps)
            self._console.begin_stage(plan.name, plan.options.kind, steps)
            began = time.perf_counter()
            cost = self._stage(number, plan, after)
            self._store.end_stage(
                number,
                seconds=time.perf_counter() - began,
                sampled_tokens=cost.sampled_tokens,
                trained_tokens=cost.trained_tokens,
            )
            if number in self._profilers:
                self._console.note("\n".join(self._profilers[number].lines()))
            if not isinstance(plan.options, Evaluate):
                after = plan.name

    def _stage(self, number: int, plan: StagePlan, after: str) -> Cost:
        context = StageContext(
            number=number,
            name=plan.name,
            seed=self._recipe.seed,
            source=plan.source,
            rewards=plan.rewards,
            store=self._store,
            console=self._console,
            profiler=self._profilers.get(number),
        )
        match plan.options:
            case Supervised():
                return supervised(plan.options, self._policy, context)
            case Reinforce():
                assert plan.algorithm is not None, f"stage {plan.name} has no algorithm"
                return reinforce(plan.options, plan.algorithm, self._policy, context)
            case Evaluate():
                cost, summary = evaluate(plan.options, self._policy, context, after=after)
                self._evaluations.append((after, summary))
                return cost

    def _end(self, status: str) -> None:
        """Write down how it ended, close the store, and leave a report behind."""
        self._console.close()
        self._store.set_fact("status", status)
        self._store.set_fact("seconds", time.perf_counter() - self._began)
        self._store.close(sealed=True)
        write_report(self._folder)
