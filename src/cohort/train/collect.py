"""The groups of a step: problems drawn, answers sampled and scored, further ones where that is asked.

Dynamic sampling (DAPO, arXiv:2503.14476, section 3.2) goes on until `prompts_per_step` groups can be
learned from, at most `refill_rounds` times. Every group that was sampled is kept, counted and shown,
with the reason why nothing is learned from it: the metrics are of all of them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from cohort.config.preferences import Preference
from cohort.config.selection import Select
from cohort.config.stages import Reinforce
from cohort.data import keyed
from cohort.data.records import Group, Problem
from cohort.data.sealed import sealed
from cohort.errors import DivergedError
from cohort.objective.algorithms import Algorithm
from cohort.policy.policy import Policy
from cohort.rewards.score import score_groups
from cohort.rollout.graphs import warmup_seconds
from cohort.rollout.request import Sampling
from cohort.train.credit import penalized, select
from cohort.train.failures import asking_metrics, check_failures, warn_of_failures
from cohort.train.journal import Entry
from cohort.train.stage import StageContext
from cohort.train.talk import answered
from cohort.train.teach import teaching_metrics

Grouped = Reinforce | Select | Preference
"""Stages whose steps are groups."""

REASONS = ("flat", "unscored", "single", "overlong", "surplus")
"""Why a group is not learned from; `surplus`: there were enough already."""

UNASKED = ("unscored", "single")
"""Those of them that nobody asked for."""


@dataclass(frozen=True, slots=True)
class Collected:
    """All groups that a step sampled, those that are not learned from included.

    rounds: how often it sampled. greedy_tokens: sampled for answers that are only compared with.
    cost: metrics of what asking the reward functions cost, and recording and compiling decode steps.
    """

    groups: list[Group]
    rounds: int
    greedy_tokens: int
    dynamic: bool
    cost: Mapping[str, float] = field(default_factory=dict)

    @property
    def sampled_tokens(self) -> int:
        """Everything that was sampled."""
        own = sum(len(rollout.logprobs) for group in self.groups for rollout in group.rollouts)
        return own + self.greedy_tokens + int(self.cost.get("teacher/tokens", 0.0))

    @property
    def entropy(self) -> float:
        """The mean of -log pi over all sampled tokens, in nats: an unbiased estimate."""
        parts = [rollout.logprobs for group in self.groups for rollout in group.rollouts]
        return -sum(float(part.sum()) for part in parts) / sum(len(part) for part in parts)

    @property
    def metrics(self) -> dict[str, float]:
        """What became of the groups, and what it cost to ask about them.

        Of groups that are all learned from as a matter of course, those that could not be are counted.
        """
        seen = Counter(group.discarded for group in self.groups)
        reasons = REASONS if self.dynamic else UNASKED
        found = {f"groups/{reason}": float(seen[reason]) for reason in reasons} | dict(self.cost)
        if not self.dynamic:
            return found
        found |= {"groups/sampled": float(len(self.groups)), "groups/rounds": float(self.rounds)}
        return found | {"groups/learned_from": float(seen[""])}


def collect(
    options: Grouped, algorithm: Algorithm, policy: Policy, context: StageContext, step: int
) -> Collected:
    """Sample and score a step's groups, and say of each whether it is learned from."""
    entry = context.keeper.recalled(step)
    if entry is not None:
        recalled = _recalled(entry, options, algorithm, policy, context, step)
        if recalled is not None:
            warn_of_failures(recalled.groups, context, step)
            return recalled
    found = _sampled(options, algorithm, policy, context, step)
    warn_of_failures(found.groups, context, step)
    kept = {
        name: value
        for name, value in found.cost.items()
        if name.endswith("/retried") or name.startswith("teacher/")
    }
    facts = {
        "rounds": found.rounds,
        "greedy_tokens": found.greedy_tokens,
        "cost": kept,
    }
    context.keeper.keep(step, found.groups, facts)
    return found


def _recalled(
    kept: Entry,
    options: Grouped,
    algorithm: Algorithm,
    policy: Policy,
    context: StageContext,
    step: int,
) -> Collected | None:
    """A step as the journal has it; None where that is of other problems."""
    rounds = int(algorithm.values.get("refill_rounds", 1))
    asked = [
        problem
        for number in range(kept.facts["rounds"])
        for problem in _problems(options, context, step, number=number, rounds=rounds)
    ]
    problems = {problem.id: problem for problem in asked}
    if not set(kept.problems) <= set(problems):
        return None
    groups = kept.groups(problems, policy.prompt_tokens)
    context.keeper.remember(kept)
    dynamic = algorithm.chosen["groups"] != "all"
    facts = kept.facts
    return Collected(groups, facts["rounds"], facts["greedy_tokens"], dynamic, facts["cost"])


def _sampled(
    options: Grouped, algorithm: Algorithm, policy: Policy, context: StageContext, step: int
) -> Collected:
    """A step's groups, sampled and scored."""
    wanted, before = options.prompts_per_step, warmup_seconds(policy)
    rounds = int(algorithm.values.get("refill_rounds", 1))
    groups: list[Group] = []
    greedy_tokens = 0
    for number in range(rounds):
        problems = _problems(options, context, step, number=number, rounds=rounds)
        seen = {group.problem.id for group in groups}
        fresh = [problem for problem in problems if problem.id not in seen]
        made, tokens = _scored(
            options, algorithm, policy, context, step, fresh[: _ask(groups, wanted)]
        )
        groups += select(made, algorithm)
        greedy_tokens += tokens
        check_failures(groups, options.failures_allowed, context.runner)
        if _useful(groups) >= wanted:
            break
    groups = _without_surplus(groups, wanted)
    dynamic = algorithm.chosen["groups"] != "all"
    warmup = warmup_seconds(policy) - before
    cost = asking_metrics(context.runner.accounts())
    cost |= {"sampling/warmup_seconds": warmup} if warmup else {}
    if context.teacher is not None:
        cost |= teaching_metrics(groups, context.teacher.account())
    return Collected(groups, number + 1, greedy_tokens, dynamic, cost)


def _useful(groups: Sequence[Group]) -> int:
    return sum(not group.discarded for group in groups)


def _ask(groups: Sequence[Group], wanted: int) -> int:
    """How many problems to ask next: as many as fill the step if groups go on as they did."""
    if not groups:
        return wanted
    rate = max(_useful(groups), 1) / len(groups)
    return min(wanted, math.ceil((wanted - _useful(groups)) / rate))


def _without_surplus(groups: Sequence[Group], wanted: int) -> list[Group]:
    """The first `wanted` useful groups stay, in the order in which their problems were drawn."""
    kept, left = [], wanted
    for group in groups:
        if not group.discarded:
            group = group if left > 0 else replace(group, discarded="surplus")
            left -= 1
        kept.append(group)
    return kept


def _problems(
    options: Grouped, context: StageContext, step: int, *, number: int, rounds: int
) -> list[Problem]:
    """The problems of a round: a function of the step and the round alone, so a resume finds them."""
    problems = context.source.batch(
        seed=context.seed,
        purpose=context.name,
        step=(step - 1) * rounds + number + 1,
        count=options.prompts_per_step,
    )
    if context.teacher is None:
        return problems
    return [sealed(problem, context.teacher.columns) for problem in problems]


def _scored(
    options: Grouped,
    algorithm: Algorithm,
    policy: Policy,
    context: StageContext,
    step: int,
    problems: Sequence[Problem],
) -> tuple[list[Group], int]:
    """Groups with scores for these problems, and the tokens of greedy answers beside them."""
    key = (context.seed, "rollout", context.name, step)
    sampling = Sampling(
        rollouts_per_prompt=options.rollouts_per_prompt,
        max_new_tokens=options.max_new_tokens,
        temperatures=options.temperature.of_step(step, options.steps),
        slots=options.slots,
        compiled=options.compile_decoding,
        stop=tuple(options.stop),
    )
    strict = step == 1
    groups = _answered(policy, problems, sampling, algorithm, context, key=key, strict=strict)
    if not algorithm.has("advantage", "greedy"):
        return groups, 0
    likeliest = replace(sampling, rollouts_per_prompt=1, greedy=True)
    greedy = _answered(policy, problems, likeliest, algorithm, context, key=key, strict=strict)
    together = zip(groups, greedy, strict=True)
    groups = [replace(group, greedy_reward=one.rewards[0]) for group, one in together]
    return groups, sum(len(group.rollouts[0].tokens) for group in greedy)


def _answered(
    policy: Policy,
    problems: Sequence[Problem],
    sampling: Sampling,
    algorithm: Algorithm,
    context: StageContext,
    *,
    key: tuple[keyed.Part, ...],
    strict: bool,
) -> list[Group]:
    """Groups with the answers to these problems, and their scores."""
    with context.clock.phase("sampling"):
        groups = answered(policy, problems, sampling, key=key, talk=context.talk)
    _check_sampled(groups)
    with context.clock.phase("rewards"):
        if context.teacher is not None:
            groups = context.teacher.taught(groups, key)
        groups = score_groups(groups, context.rewards, context.runner, strict=strict)
    return penalized(groups, algorithm, longest=sampling.max_new_tokens)


def _check_sampled(groups: Sequence[Group]) -> None:
    """Raise DivergedError where a policy's own log-probability of what it sampled is no number."""
    for group in groups:
        for rollout in group.rollouts:
            if not np.isfinite(rollout.logprobs).all():
                raise DivergedError(
                    f"the sampler's log-probability of an answer to problem {group.problem.id!r} is "
                    "not finite",
                    "lower the learning rate",
                )
