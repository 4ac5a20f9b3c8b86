"""The examples of a reward model's steps: from rows, from sampled and scored answers, and from before.

Sampled answers go through the journal, and their examples into the stage's folder before anything is
learned from them: a run that goes on reads them there, and so do later reward models, to replay them.

    stages/NAME/   rounds/000001.safetensors   what each step sampled, until the stage is done
                   examples.safetensors        afterwards: all of it, and that of the models before
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cohort.config.preferences import RewardModel
from cohort.config.references import stage_of
from cohort.data import keyed
from cohort.data.disk import RealDisk, refusing, replace_file
from cohort.data.records import Group, Problem
from cohort.policy.policy import Policy
from cohort.rewards.score import score_groups
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from cohort.train.failures import asking_metrics, check_failures, warn_of_failures
from cohort.train.journal import Entry
from cohort.train.reward_model_examples import Example, Labels, decoded, encoded
from cohort.train.reward_model_labels import labelled
from cohort.train.reward_model_rows import example_of
from cohort.train.stage import StageContext

ROUNDS, EXAMPLES = "rounds", "examples.safetensors"

MOST_KEPT = 20_000
"""Examples of a stage that stay to be replayed; of more, as many are chosen."""


@dataclass(frozen=True, slots=True)
class Fed:
    """The examples of a step, and what sampling them left to be shown and counted."""

    examples: list[Example]
    groups: list[Group] = field(default_factory=list)
    sampled_tokens: int = 0
    metrics: dict[str, float] = field(default_factory=dict)


class Feed:
    """Gives a stage its examples, step by step; each is a function of the step alone."""

    def __init__(self, options: RewardModel, policy: Policy, context: StageContext) -> None:
        self._options, self._policy, self._context = options, policy, context
        self._rounds: dict[int, list[Example]] = {}
        self._past: list[Example] = []
        before = stage_of(options.start)
        if before:
            path = context.leaves.of(before, EXAMPLES)
            with refusing("reading earlier examples"):
                self._past = decoded(path.read_bytes(), str(path))

    def begin(self) -> None:
        """Before the first step: an empty folder for what will be sampled."""
        self._context.leaves.leave(self._context.name, lambda folder: (folder / ROUNDS).mkdir())

    def of_step(self, step: int) -> Fed:
        """The examples of a step, from 1, and those of earlier models that go through it again."""
        fed = self._fresh(step)
        replayed = self._replayed(step)
        if self._options.replay:
            fed.metrics["replayed"] = float(len(replayed))
        return Fed([*fed.examples, *replayed], fed.groups, fed.sampled_tokens, fed.metrics)

    def held_out(self) -> Fed:
        """Examples of the held-out problems; of no step."""
        problems = self._context.source.held_out()
        if not self._options.rewards:
            return Fed([example_of(one, self._options, self._policy) for one in problems])
        return self._learned(*self._scored(problems, 1, "held-out"))

    def kept(self, steps: int) -> bytes:
        """The file of everything that was learned from in so many steps, and before."""
        options, context = self._options, self._context
        final = context.leaves.of(context.name, "") / EXAMPLES
        if final.exists():  # the stage had been through, and was stopped before the next one
            return final.read_bytes()
        if options.rewards:
            rounds = options.sampled_steps or steps
            own = [one for number in range(1, rounds + 1) for one in self._round(number)]
        else:
            own = self._rows_of(steps)
        names = [str(number) for number in range(len(own))]
        chosen = keyed.shuffled(own, names, context.seed, "kept", context.name)[:MOST_KEPT]
        return encoded([*self._past, *chosen])

    def _fresh(self, step: int) -> Fed:
        options, context = self._options, self._context
        if not options.rewards:
            problems = self._problems(step)
            return Fed([example_of(one, options, self._policy) for one in problems])
        if not options.sampled_steps or step <= options.sampled_steps:
            fed = self._sampled(step)
            self._keep(step, fed.examples)
            return fed
        rounds, epoch = options.sampled_steps, (step - 1) // options.sampled_steps
        pool = [one for number in range(1, rounds + 1) for one in self._round(number)]
        names = [str(number) for number in range(len(pool))]
        order = keyed.shuffled(pool, names, context.seed, "again", context.name, epoch)
        place = (step - 1) % rounds
        return Fed(order[place * len(pool) // rounds : (place + 1) * len(pool) // rounds])

    def _problems(self, step: int) -> list[Problem]:
        return self._context.source.batch(
            seed=self._context.seed,
            purpose=self._context.name,
            step=step,
            count=self._options.examples_per_step,
        )

    def _rows_of(self, steps: int) -> list[Example]:
        """The rows of all steps, each once."""
        problems = {
            p.id.partition("~")[0]: p for s in range(1, steps + 1) for p in self._problems(s)
        }
        return [example_of(p, self._options, self._policy) for p in problems.values()]

    def _replayed(self, step: int) -> list[Example]:
        """As many earlier examples as make the share `replay`, over the steps exactly."""
        share = self._options.replay / (1.0 - self._options.replay)
        each = share * self._options.examples_per_step
        count = min(int(step * each) - int((step - 1) * each), len(self._past))
        draw = keyed.generator(self._context.seed, "replay", self._context.name, step)
        order = draw.permutation(len(self._past))
        return [self._past[number] for number in order[:count]]

    def _sampled(self, step: int) -> Fed:
        """What this step samples, or what the journal has of it."""
        context, problems = self._context, self._problems(step)
        kept = context.keeper.recalled(step)
        if kept is not None and kept.problems == [problem.id for problem in problems]:
            groups = kept.groups({p.id: p for p in problems}, self._policy.prompt_tokens)
            context.keeper.remember(kept)
            warn_of_failures(groups, context, step)
            return self._learned(groups, _steps_of(kept), kept.facts["tokens"], kept.facts["cost"])
        groups, steps, tokens, cost = self._scored(problems, step, "rollout")
        warn_of_failures(groups, context, step)
        retried = {name: value for name, value in cost.items() if name.endswith("/retried")}
        context.keeper.keep(step, groups, {"steps": steps, "tokens": tokens, "cost": retried})
        return self._learned(groups, steps, tokens, cost)

    def _scored(
        self, problems: Sequence[Problem], step: int, purpose: str
    ) -> tuple[list[Group], list[list[Labels]], int, dict[str, float]]:
        """Scored groups, the labels of their steps, the tokens sampled, and what asking cost."""
        options, policy, context = self._options, self._policy, self._context
        key = (context.seed, purpose, context.name, step)
        requests = [Request(p.id, policy.prompt_tokens(p), (*key, p.id)) for p in problems]
        sampling = Sampling(
            rollouts_per_prompt=options.rollouts_per_prompt,
            max_new_tokens=options.max_new_tokens,
            temperatures=options.temperature.of_step(step, options.sampled_steps or options.steps),
            slots=options.slots,
            compiled=options.compile_decoding,
            stop=tuple(options.stop),
        )
        with context.clock.phase("sampling"):
            answers = sample(policy, requests, sampling)
        groups = [
            Group(problem, request.prompt, tuple(rollouts), begun=policy.begun(problem))
            for problem, request, rollouts in zip(problems, requests, answers, strict=True)
        ]
        with context.clock.phase("rewards"):
            groups = score_groups(groups, context.rewards, context.runner, strict=step == 1)
        check_failures(groups, options.failures_allowed, context.runner)
        steps: list[list[Labels]] = []
        tokens = sum(len(rollout.tokens) for group in groups for rollout in group.rollouts)
        if options.supervision == "process":
            found = labelled(groups, options, policy, context, *key)
            steps, tokens = found.steps, tokens + found.sampled_tokens
        return groups, steps, tokens, asking_metrics(context.runner.accounts())

    def _learned(
        self,
        groups: list[Group],
        steps: list[list[Labels]],
        tokens: int,
        cost: dict[str, float],
    ) -> Fed:
        """What is learned from these groups: answers with a score, or with a labelled step."""
        examples = [
            _example(group, steps[number] if steps else [], self._options.margin)
            for number, group in enumerate(groups)
        ]
        return Fed([one for one in examples if one.answers], groups, tokens, dict(cost))

    def _path(self, number: int) -> Path:
        folder = self._context.leaves.of(self._context.name, ROUNDS)
        return folder / f"{number:06d}.safetensors"

    def _keep(self, number: int, examples: list[Example]) -> None:
        self._rounds[number] = examples
        with refusing("keeping what was sampled"):
            replace_file(RealDisk(), self._path(number), encoded(examples))

    def _round(self, number: int) -> list[Example]:
        """The examples that a step sampled, in this sitting or an earlier one."""
        if number not in self._rounds:
            path = self._path(number)
            with refusing("reading what was sampled"):
                self._rounds[number] = decoded(path.read_bytes(), str(path))
        return self._rounds[number]


def _example(group: Group, steps: Sequence[Labels], margin: float) -> Example:
    if steps:
        told = [(r.tokens, own) for r, own in zip(group.rollouts, steps, strict=True) if own]
        return Example(
            group.prompt_tokens, tuple(t for t, _ in told), steps=tuple(own for _, own in told)
        )
    scored = [
        (rollout.tokens, reward)
        for rollout, reward in zip(group.rollouts, group.rewards, strict=True)
        if reward is not None
    ]
    return Example(
        group.prompt_tokens, tuple(t for t, _ in scored), tuple(s for _, s in scored), margin=margin
    )


def _steps_of(kept: Entry) -> list[list[Labels]]:
    """The labels of an entry's groups, as they were before they were JSON."""
    return [
        [tuple((int(place), float(label)) for place, label in own) for own in group]
        for group in kept.facts["steps"]
    ]
