"""The stage `reward-model`: learn what an answer, or each of its steps, is worth.

The model has the policy's layers, or those of an earlier reward model, and a head of one output. What
it learns from comes from rows or is sampled (`reward_model_feed`); the loss is in `objective.ranking`.
At the end it is asked about held-out problems, and left as an ordinary folder of transformers.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from cohort.config.preferences import RewardModel
from cohort.config.references import BASE, stage_of
from cohort.errors import NotFiniteError
from cohort.policy.policy import Policy
from cohort.policy.valued import Valued, load_valued, valued_from
from cohort.report.metrics import describe_groups
from cohort.rewards.stage_model import HEADS, READ, Read
from cohort.train.optim import Updater
from cohort.train.products import MODEL
from cohort.train.reward_model_examples import Example
from cohort.train.reward_model_feed import EXAMPLES, Fed, Feed
from cohort.train.reward_model_lesson import Lesson, Seen, lesson, measured, row_loss, told
from cohort.train.stage import StageContext
from cohort.train.state import REWARD_MODEL, Cost, Learner, StageState


def reward_model(options: RewardModel, policy: Policy, context: StageContext) -> Cost:
    """Run the stage; every step is in the store when the next one begins."""
    valued = _beginning(options, policy, context)
    key = context.seed, context.name
    updater = Updater(valued, options.optimizer, updates=options.steps, key=key)
    state = StageState(None, others={REWARD_MODEL: Learner(valued, updater)})
    context.begin(state)
    feed = Feed(options, policy, context)
    if state.step == 0:
        feed.begin()
    this = _Stage(options, policy, context, valued)
    clock = context.clock
    clock.lap()
    for step in range(state.step + 1, options.steps + 1):
        fed = feed.of_step(step)
        metrics = (
            describe_groups(fed.groups) | fed.metrics | this.learn(fed.examples, updater, step)
        )
        state.cost.sampled_tokens += fed.sampled_tokens
        state.cost.trained_tokens += sum(len(a) for one in fed.examples for a in one.answers)
        metrics["num_tokens"] = float(state.cost.trained_tokens)
        if step == options.steps:
            held_out = feed.held_out()
            state.cost.sampled_tokens += held_out.sampled_tokens
            metrics |= this.examine(held_out)
        seconds, times = clock.lap()
        context.step(step, metrics | times, seconds=seconds, groups=fed.groups)
    kept = feed.kept(options.steps)
    context.leaves.leave(context.name, partial(_write, valued, options, kept))
    return state.cost


class _Stage:
    """What the steps of a stage have in common."""

    def __init__(
        self, options: RewardModel, policy: Policy, context: StageContext, valued: Valued
    ) -> None:
        self._options, self._policy = options, policy
        self._context, self._valued = context, valued

    def learn(self, examples: list[Example], updater: Updater, step: int) -> dict[str, float]:
        """The step's update, or what is said of it when it has to be left out."""
        made, context = self._lesson(examples), self._context
        try:
            with context.clock.phase("update"):
                metrics = self._updated(made, updater)
        except NotFiniteError as error:
            updater.skip_to(step)
            context.keeper.left_out(error, step)
            return {"updates_left_out": 1.0}
        context.keeper.health.made(metrics)
        return metrics

    def examine(self, held_out: Fed) -> dict[str, float]:
        """How often the model is right about examples that it has not seen; said as well as kept."""
        seen = told(self._valued, self._lesson(held_out.examples), self._options)
        found = measured(seen, self._options, "held_out/")
        if "held_out/accuracy" in found:
            asked = sum(one.asked for one in seen)
            what = "comparisons" if self._options.supervision == "outcome" else "steps"
            self._context.console.note(
                f"held out: right about {found['held_out/accuracy']:.1%} of {asked} {what}"
            )
        return found

    def _lesson(self, examples: list[Example]) -> Lesson:
        asked = self._policy.row_tokens(self._options.tokens_per_microbatch)
        return lesson(examples, self._options, tokens_per_row=asked, device=self._valued.device)

    def _updated(self, made: Lesson, updater: Updater) -> dict[str, float]:
        updater.clear()
        seen: list[Seen] = []
        if made.count:
            seen = updater.add_gradient(
                made.rows, partial(row_loss, self._valued, made, self._options)
            )
        metrics = measured(seen, self._options) | updater.update()
        updater.clear()
        return metrics


def _beginning(options: RewardModel, policy: Policy, context: StageContext) -> Valued:
    """The model as the stage begins with it."""
    reads = HEADS[options.supervision]
    if options.start == BASE:
        return valued_from(context.base(), reads)
    if options.start:
        folder = context.leaves.of(stage_of(options.start), MODEL)
        return load_valued(folder, reads, policy.tokenizer)
    return valued_from(policy, reads)


def _write(valued: Valued, options: RewardModel, kept: bytes, folder: Path) -> None:
    """What the stage leaves: the model, how its values are read, and the examples to replay."""
    valued.save(folder / MODEL)
    said = Read(
        supervision=options.supervision,
        as_probability=options.supervision == "process" or options.loss == "binary",
        separators=list(options.separators),
    )
    (folder / READ).write_text(json.dumps(said._asdict(), indent=2) + "\n", encoding="utf-8")
    (folder / EXAMPLES).write_bytes(kept)
