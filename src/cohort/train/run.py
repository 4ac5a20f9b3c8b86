"""A run: a recipe becomes a trained model in a folder. The one place that knows the order of things.

First everything is checked that costs nothing, then the model is loaded, then the stages go by in
order; at the end stand the model, the report, and a table of what became better.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from cohort.config.preferences import Preference, RewardModel
from cohort.config.recipe import Recipe
from cohort.config.selection import Select
from cohort.config.stages import Evaluate, Reinforce, Supervised, Trained
from cohort.data.asked import Asked
from cohort.data.checkpoints import Checkpoints
from cohort.data.disk import refusing
from cohort.data.store import Store
from cohort.errors import DivergedError, Interrupted, StorageError
from cohort.policy.load import load_policy
from cohort.policy.policy import Policy
from cohort.report.card import write_card
from cohort.report.console import Console
from cohort.report.html import write_report
from cohort.report.read import evaluations, examples, opened
from cohort.report.track.sink import check_sinks
from cohort.report.track.sinks import Sinks
from cohort.report.vitals import Vitals
from cohort.rewards.isolation.runner import Runner
from cohort.train.begin import Beginnings
from cohort.train.evaluate import evaluate
from cohort.train.facts import facts_of, keep_tokenizer
from cohort.train.fingerprint import differences, fingerprint
from cohort.train.folder import CHECKPOINTS, DATABASE, JOURNAL, MODEL, REPORT, claim
from cohort.train.journal import Journal
from cohort.train.keeper import Keeper
from cohort.train.located import located
from cohort.train.plan import Given, StagePlan, check_prompts, make_plan
from cohort.train.preference import preference
from cohort.train.products import Products
from cohort.train.profile import Profiler, steps_to_profile
from cohort.train.rehearsal import rehearse
from cohort.train.reinforce import reinforce
from cohort.train.result import save_result
from cohort.train.resume import Found, find, refuse_changes
from cohort.train.reward_model import reward_model
from cohort.train.saver import Saver
from cohort.train.select_answers import select_answers
from cohort.train.stage import StageContext
from cohort.train.state import Cost, Place, restore_weights
from cohort.train.stopping import Stopping
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
    accept_changes: bool = False,
) -> Path:
    """Carry a recipe out; returns the run's folder. Raises CohortError, and Interrupted on Ctrl-C.

    A folder that holds this recipe's run, unfinished, is gone on with from its newest checkpoint.
    `base` is the folder that the recipe's file is in, `name` what the run is called, `given` the
    functions and rows that some of the recipe's names stand for, `profile` the number of reinforce
    steps whose time is looked into. `accept_changes`: go on also where the recipe, data, code of a
    reward or a version is another one than before; what was changed is recorded.
    """
    recipe = located(recipe, base)
    check_sinks(recipe.track.to)
    profiled = {} if profile is None else steps_to_profile(recipe, profile)
    plans = make_plan(recipe, base, given or Given())
    with Runner() as runner:  # workers start while the model is loaded
        housed = [replace(plan, rewards=runner.house(plan.rewards)) for plan in plans]
        asked = _Wishes(
            run=run, name=name, quiet=quiet, profiled=profiled, accept_changes=accept_changes
        )
        return _train(recipe, housed, runner, asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wishes:
    """What was asked for beside the recipe; see `train_recipe`."""

    run: Path | None
    name: str
    quiet: bool
    profiled: dict[int, int]
    accept_changes: bool


def _train(recipe: Recipe, plans: list[StagePlan], runner: Runner, asked: _Wishes) -> Path:
    """Load the model, claim the folder, and carry the plans out in it."""
    set_threads(recipe.threads)
    needs_pieces = recipe.model.new is not None
    pieces = plans[0].source.vocabulary() if needs_pieces else []
    policy = load_policy(recipe.model, vocabulary=pieces, seed=recipe.seed)
    said = {plan.name: check_prompts(plan, policy) for plan in plans}
    claimed = claim(recipe, asked.run, asked.name, accept_changes=asked.accept_changes)
    try:
        names, vitals = [plan.name for plan in plans], Vitals(claimed.folder)
        with Console(names, asked.quiet, vitals=vitals) as console:
            if claimed.status == "finished" and not claimed.changes:
                console.note(f"{claimed.folder} is finished: there is nothing left to do")
                return claimed.folder
            for stage, sentence in said.items():
                if sentence:
                    console.warn(f"stage {stage}: {sentence}")
            this = _Run(
                recipe, plans, policy, runner=runner, folder=claimed.folder, console=console
            )
            rehearse(recipe, plans, policy)
            for number, steps in asked.profiled.items():
                this.profile(number, steps)
            this.begin(asked.name, claimed.changes, accept_changes=asked.accept_changes)
            this.carry_out()
    finally:
        claimed.release()
    return claimed.folder


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
        runner: Runner,
        folder: Path,
        console: Console,
    ) -> None:
        self._recipe, self._plans, self._policy = recipe, plans, policy
        self._runner, self._folder, self._console = runner, folder, console
        self._store = Store(folder / DATABASE)
        self._asked = Asked(folder / DATABASE)
        runner.belong_to(self._asked, console.warn)
        self._began = time.perf_counter()
        self._profilers: dict[int, Profiler] = {}
        self._stopping = Stopping(console.warn)
        self._checkpoints = Checkpoints(folder / CHECKPOINTS, keep=recipe.checkpoints.keep)
        self._journal = Journal(folder / JOURNAL)
        self._place = Place()
        self._products = Products(folder)
        self._beginnings = Beginnings(recipe, plans, self._products)
        self._sinks = Sinks(folder, recipe.track)
        self._start_anew()

    def profile(self, stage: int, steps: int) -> None:
        """Look into the time that so many steps of a stage will take."""
        self._profilers[stage] = Profiler(
            steps, stage, self._plans[stage].name, folder=self._folder, store=self._store
        )

    def begin(self, name: str, changes: Sequence[str], *, accept_changes: bool) -> None:
        """Find out where the run goes on. Raises RunError where something else than the recipe has
        changed and that is not accepted."""
        now = fingerprint(self._recipe, self._plans, self._policy)
        before = self._store.fact("fingerprint") or {}
        with refusing("preparing the checkpoints"):
            self._checkpoints.prepare()
        found = find(self._checkpoints, self._policy, self._store)
        if found is not None and found.number == 0:
            found = None  # nothing was done: what has changed since does not matter
        if found is not None:
            kept_recipe = {"recipe": now["recipe"]}  # its changes were looked at by option
            changed = differences({**before, **kept_recipe}, now)
            if changed and not accept_changes:
                self._asked.close()
                self._store.close()
                raise refuse_changes(changed, str(self._folder))
            changes = [*changes, *changed]
        self._describe(name, now)
        if found is None:
            self._store.cut(0, 0)
            self._journal.forget_all()
        else:
            self._go_on_from(found)
        self._store.begin_sitting(self._place.stage, self._place.step, changes)

    def _describe(self, name: str, now: dict[str, str]) -> None:
        """Facts that a report needs, before the first step, and what tells its tokens."""
        facts = facts_of(self._recipe, self._policy, name) | {"fingerprint": now}
        for key, value in facts.items():
            self._store.set_fact(key, value)
        keep_tokenizer(self._policy, self._folder)
        if self._policy.plain:
            self._console.warn(
                f"{self._policy.plain}: each answer has a row of its own, which is slower"
            )
        self._console.note(
            f"run {self._folder}, seed {self._recipe.seed}, "
            f"{facts['parameters']:,} parameters, {facts['threads']} threads"
        )

    def _start_anew(self) -> None:
        """A keeper without a past."""
        self._saver = Saver(self._checkpoints, self._recipe.checkpoints)
        self._keeper = Keeper(
            self._policy,
            saver=self._saver,
            journal=self._journal,
            store=self._store,
            console=self._console,
            stopping=self._stopping,
            lengths=[getattr(plan.options, "steps", 0) for plan in self._plans],
        )

    def _go_on_from(self, found: Found) -> None:
        """Everything as the checkpoint has it; what came after it is forgotten."""
        for reason in found.passed_over:
            self._console.warn(reason)
        self._place = found.taken.place
        self._store.cut(self._place.stage, self._place.step)
        with refusing("removing checkpoints"):
            self._checkpoints.forget_after(found.number)
        restore_weights(found.taken, self._policy)
        self._keeper.go_on_from(found.taken)
        self._console.note(
            f"goes on after step {self._place.step} of stage {self._plans[self._place.stage].name} "
            f"(checkpoint step-{found.number:06d})"
        )

    def carry_out(self) -> None:
        """All stages, the model, the report; the store says how it ended, whatever happens."""
        status = "failed"
        try:
            self._sinks.begin()
            with self._stopping:
                self._go_through()
            save_result(self._policy, self._folder)
            self._journal.close()
            status = "finished"
        except Interrupted:
            status = "interrupted"
            raise
        except KeyboardInterrupt:
            status = "interrupted"
            raise self._stopping.refusal(
                f"stopped in {self._store.position()}; what is after the last checkpoint is not saved",
                "the same command goes on from the last checkpoint",
            ) from None
        finally:
            self._saver.close()
            self._end(status)
        with opened(self._folder) as db:
            shown = examples(db)
            evaluated = [(row.after, dict(row.summary)) for row in evaluations(db)]
        self._console.summary(
            evaluated,
            shown,
            report=self._folder / REPORT,
            model=self._folder / MODEL,
            seconds=time.perf_counter() - self._began,
        )

    def _go_through(self) -> None:
        """The stages, from the place where the run is; once back to where it was healthy."""
        while True:
            try:
                self._stages()
                return self._saver.wait()
            except DivergedError as error:
                self._roll_back(error)

    def _roll_back(self, error: DivergedError) -> None:
        self._saver.close()
        health = self._keeper.health
        if health.rolled_back:
            raise DivergedError(
                f"{error.message}; the run was taken back before", error.hint
            ) from error
        found = find(self._checkpoints, self._policy, self._store, healthy_only=True)
        if found is None:
            raise error
        self._journal.forget_all()
        self._start_anew()
        self._go_on_from(found)
        self._keeper.health.roll_back()
        text = f"{error.message}; the run was taken back to here, with half the learning rate"
        self._console.warn(text)
        self._store.event("warning", text, stage=self._place.stage, step=self._place.step)

    def _stages(self) -> None:
        after = "start"
        for number, plan in enumerate(self._plans):
            if number >= self._place.stage:
                self._one_stage(number, plan, after)
            if isinstance(plan.options, Trained):
                after = plan.name

    def _one_stage(self, number: int, plan: StagePlan, after: str) -> None:
        steps = getattr(plan.options, "steps", 0)
        self._store.begin_stage(number, name=plan.name, kind=plan.options.kind, steps=steps)
        self._console.begin_stage(plan.name, plan.options.kind, steps)
        began, before = time.perf_counter(), self._store.seconds_of(number)
        cost = self._stage(number, plan, after)
        self._keeper.end()
        self._store.end_stage(
            number,
            seconds=before + time.perf_counter() - began,
            sampled_tokens=cost.sampled_tokens,
            trained_tokens=cost.trained_tokens,
        )
        if number in self._profilers:
            self._console.note("\n".join(self._profilers[number].lines()))

    def _stage(self, number: int, plan: StagePlan, after: str) -> Cost:
        plan = self._beginnings.ready(plan, self._policy)
        goes_on = self._place.stage == number and self._place.step > 0
        if not goes_on:
            self._beginnings.begin(plan, self._policy)
        cost = self._carried_out(number, plan, after)
        self._beginnings.end(plan, self._policy)
        return cost

    def _carried_out(self, number: int, plan: StagePlan, after: str) -> Cost:
        context = StageContext(
            number=number,
            name=plan.name,
            seed=self._recipe.seed,
            source=plan.source,
            rewards=plan.rewards,
            talk=plan.talk,
            store=self._store,
            console=self._console,
            keeper=self._keeper,
            runner=self._runner,
            products=self._products,
            first=self._beginnings.base,
            profiler=self._profilers.get(number),
            sinks=self._sinks,
        )
        match plan.options:
            case Supervised():
                return supervised(plan.options, self._policy, context)
            case Reinforce():
                assert plan.algorithm is not None, f"stage {plan.name} has no algorithm"
                return reinforce(plan.options, plan.algorithm, self._policy, context)
            case Evaluate():
                return evaluate(plan.options, self._policy, context, after=after)
            case RewardModel():
                return reward_model(plan.options, self._policy, context)
            case Preference():
                return preference(plan.options, self._policy, context)
            case Select():
                return select_answers(plan.options, self._policy, context)

    def _end(self, status: str) -> None:
        """Write down how it ended, close the store, and leave a report behind."""
        self._console.close()
        self._runner.close()
        self._asked.close()
        try:
            if (
                status == "finished"
            ):  # before it is said: a run that is finished is not gone on with
                with refusing("writing the model card"):
                    write_card(self._folder, self._folder / MODEL)
            self._store.set_fact("status", status)
            self._store.set_fact("seconds", time.perf_counter() - self._began)
            for text in self._sinks.end():
                self._store.event("warning", text)
                self._console.warn(text)
            self._store.close(sealed=True)
            with refusing("writing the report"):
                write_report(self._folder)
        except StorageError:
            if status == "finished":  # else there is an error on its way that says more
                raise
